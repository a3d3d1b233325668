// SPDX-License-Identifier: Apache-2.0
// Plays the runs of one seed beside each other from above. Data: player.py; no library, no network.
"use strict";
const COLOURS = {
  building: "#d9d4cc", ramp: "#c9bfa8", kerb: "#52606d", bollard: "#52606d", trash_bin: "#3e6b4f", mailbox: "#b8860b",
  person: "#7b8794", near: "#E69F00", hit: "#D55E00",
};
const VIEW_METRES = 16, PERSON_RADIUS = 0.25, NEAR_METRES = 1.5, TRAIL_FRAMES = 80;

for (const root of document.querySelectorAll(".player")) setUp(root);

function setUp(root) {
  const data = JSON.parse(document.getElementById("player-" + root.dataset.player).textContent);
  const frames = Math.max(...data.runs.map(run => run.frames));
  const [play, jump] = root.querySelectorAll("button");
  const slider = root.querySelector("input"), clock = root.querySelector("output"), rate = root.querySelector("select");
  slider.max = frames - 1;
  const views = data.runs.map(run => addView(root.querySelector(".views"), run));
  let frame = 0, playing = false, last = 0;
  const show = () => {
    slider.value = Math.floor(frame);
    clock.value = (frame * data.period).toFixed(1) + " s";
    data.runs.forEach((run, i) => draw(views[i], run, data, Math.min(Math.floor(frame), run.frames - 1)));
  };
  const step = now => {
    if (!playing) return;
    frame += (now - last) / 1000 / data.period * Number(rate.value);
    last = now;
    if (frame >= frames - 1) { frame = frames - 1; toggle(); }
    show();
    requestAnimationFrame(step);
  };
  const toggle = () => {
    playing = !playing;
    play.textContent = playing ? "Pause" : "Play";
    if (playing) { if (frame >= frames - 1) frame = 0; last = performance.now(); requestAnimationFrame(step); }
  };
  play.onclick = toggle;
  slider.oninput = () => { frame = Number(slider.value); show(); };
  jump.onclick = () => { frame = nextMoment(data, frame); show(); };
  addEventListener("resize", show);
  frame = Math.max(0, nextMoment(data, 0));
  show();
}

function nextMoment(data, frame) {
  const moments = [];
  for (const run of data.runs) {
    for (const contact of run.contacts) if (contact.who === "pedestrian") moments.push((contact.t - run.start) / data.period);
    for (let i = 1; i < run.frames; i++) if (run.acting[i] && !run.acting[i - 1]) moments.push(i);
  }
  const later = moments.map(m => Math.max(0, m - 5)).filter(m => m > frame + 10);
  return later.length ? Math.min(...later) : 0;
}

function addView(parent, run) {
  const box = document.createElement("div");
  box.className = "view";
  box.innerHTML = "<h3></h3><canvas></canvas><p></p>";
  box.querySelector("h3").textContent = run.title;
  parent.appendChild(box);
  return { canvas: box.querySelector("canvas"), text: box.querySelector("p") };
}

function draw(view, run, data, i) {
  const canvas = view.canvas, ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio; canvas.height = canvas.clientHeight * ratio;
  const g = canvas.getContext("2d"), scale = canvas.width / VIEW_METRES;
  g.setTransform(scale, 0, 0, -scale, canvas.width / 2 - run.x[i] * scale, canvas.height / 2 + run.y[i] * scale);
  drawWorld(g, data.world, scale);
  g.lineWidth = 2 * ratio / scale; g.strokeStyle = run.colour; g.globalAlpha = 0.5;
  g.beginPath();
  for (let k = Math.max(0, i - TRAIL_FRAMES); k <= i; k++) g.lineTo(run.x[k], run.y[k]);
  g.stroke(); g.globalAlpha = 1;
  const people = run.people[i] || [];
  for (let k = 0; k < people.length; k += 2) {
    if (people[k] === null) continue;
    const near = Math.hypot(people[k] - run.x[i], people[k + 1] - run.y[i]) < NEAR_METRES;
    disc(g, people[k], people[k + 1], PERSON_RADIUS, near ? COLOURS.near : COLOURS.person);
  }
  drawRobot(g, run, data.size, i, ratio / scale);
  const now = run.start + i * data.period;
  for (const contact of run.contacts) if (contact.t <= now && now - contact.t < 4) cross(g, contact, ratio / scale);
  const value = (list, unit) => list[i] === null ? "–" : list[i].toFixed(2) + unit;
  view.text.textContent = "speed " + value(run.speed, " m/s") + " · proposed " + value(run.proposal, " m/s") + " · clearance " +
    value(run.clearance, " m") + (run.arc ? " · margin h " + value(run.margin, " m") +
    (run.learned.some(v => v !== null) ? " · learned V " + value(run.learned, " m") : "") + (run.acting[i] ? " · arc intervenes" : "") : "");
}

function drawWorld(g, world, scale) {
  for (const area of world.areas) {
    g.fillStyle = COLOURS[area.kind] || COLOURS.building;
    g.beginPath(); area.polygon.forEach(p => g.lineTo(p[0], p[1])); g.closePath(); g.fill();
  }
  g.strokeStyle = COLOURS.kerb; g.lineWidth = 0.06;
  g.beginPath(); for (const l of world.lines) { g.moveTo(l[0], l[1]); g.lineTo(l[2], l[3]); } g.stroke();
  for (const d of world.discs) disc(g, d.x, d.y, d.r, COLOURS[d.kind] || COLOURS.kerb);
  for (const goal of world.goals) { g.strokeStyle = "#009E73"; g.lineWidth = 0.08; g.beginPath(); g.arc(goal[0], goal[1], 0.5, 0, 7); g.stroke(); }
}

function drawRobot(g, run, size, i, pixel) {
  g.save(); g.translate(run.x[i], run.y[i]); g.rotate(run.yaw[i]);
  if (run.acting[i]) { g.strokeStyle = COLOURS.near; g.lineWidth = 3 * pixel; g.strokeRect(-size[0] / 2 - 0.12, -size[1] / 2 - 0.12, size[0] + 0.24, size[1] + 0.24); }
  g.fillStyle = run.colour; g.fillRect(-size[0] / 2, -size[1] / 2, size[0], size[1]);
  g.fillStyle = "white"; g.beginPath(); g.moveTo(size[0] / 2 - 0.08, 0); g.lineTo(size[0] / 2 - 0.3, 0.14); g.lineTo(size[0] / 2 - 0.3, -0.14); g.fill();
  g.restore();
}

function disc(g, x, y, r, colour) { g.fillStyle = colour; g.beginPath(); g.arc(x, y, r, 0, 7); g.fill(); }
function cross(g, contact, pixel) {
  const moving = contact.speed > 0.1;
  g.strokeStyle = COLOURS.hit; g.lineWidth = (moving ? 5 : 2) * pixel; g.beginPath();
  for (const s of [-1, 1]) { g.moveTo(contact.x - 0.35, contact.y - 0.35 * s); g.lineTo(contact.x + 0.35, contact.y + 0.35 * s); }
  g.stroke();
}
