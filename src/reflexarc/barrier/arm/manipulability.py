# SPDX-License-Identifier: Apache-2.0
r"""Distance from singular configurations: w(q) = prod(sigma(J)) of the end effector's 6 x n Jacobian, and its gradient.

    w = sqrt(det(J J^T)),     dw/dq_k = w trace(J^T (J J^T)^-1 dJ/dq_k)

(Yoshikawa, Manipulability of Robotic Mechanisms, IJRR 4(2), 1985). Column j of J is (z_j x (p - o_j), z_j) for a joint
that turns and (z_j, 0) for one that slides; its derivative by q_k is closed-form, so no differences are needed.
"""

import numba
import numpy as np

from reflexarc.barrier.arm.kinematics import cross


@numba.njit(cache=True)
def frame_jacobian(tree, pose, point, out):
    """Fill `out` of shape (6, n) with the Jacobian (linear, angular) at the point with index `point`."""
    carrier = tree.point_joint[point]
    px, py, pz = pose.point[point, 0], pose.point[point, 1], pose.point[point, 2]
    for j in range(out.shape[1]):
        out[:, j] = 0.0
        if not tree.carries[carrier + 1, j]:
            continue
        zx, zy, zz = pose.axis[j, 0], pose.axis[j, 1], pose.axis[j, 2]
        if tree.slides[j]:
            out[0, j], out[1, j], out[2, j] = zx, zy, zz
        else:
            vx, vy, vz = cross(
                zx, zy, zz, px - pose.origin[j, 0], py - pose.origin[j, 1], pz - pose.origin[j, 2]
            )
            out[0, j], out[1, j], out[2, j] = vx, vy, vz
            out[3, j], out[4, j], out[5, j] = zx, zy, zz


@numba.njit(cache=True)
def manipulability(tree, pose, point, gradient):
    """Fill `gradient` of shape (n,) and return w; at a singular configuration the gradient is zero."""
    n = gradient.shape[0]
    jacobian = np.zeros((6, n))
    frame_jacobian(tree, pose, point, jacobian)
    gram = np.zeros((6, 6))
    for a in range(6):
        for b in range(a + 1):
            total = 0.0
            for j in range(n):
                total += jacobian[a, j] * jacobian[b, j]
            gram[a, b] = gram[b, a] = total
    determinant = np.linalg.det(gram)
    gradient[:] = 0.0
    if not determinant > 1e-24:
        return 0.0
    w = np.sqrt(determinant)
    inverse = np.linalg.inv(gram)
    # weight[a, j] = ((J J^T)^-1 J)[a, j], so that dw/dq_k = w sum_aj weight[a, j] dJ[a, j]/dq_k
    weight = np.zeros((6, n))
    for a in range(6):
        for j in range(n):
            total = 0.0
            for b in range(6):
                total += inverse[a, b] * jacobian[b, j]
            weight[a, j] = total
    for k in range(n):
        total = 0.0
        zx, zy, zz = pose.axis[k, 0], pose.axis[k, 1], pose.axis[k, 2]
        for j in range(n):
            if k < j and not tree.slides[k] and tree.carries[j + 1, k]:
                # Everything from joint j on turns with joint k: both halves of the column do.
                ax, ay, az = cross(zx, zy, zz, jacobian[0, j], jacobian[1, j], jacobian[2, j])
                bx, by, bz = cross(zx, zy, zz, jacobian[3, j], jacobian[4, j], jacobian[5, j])
                total += weight[0, j] * ax + weight[1, j] * ay + weight[2, j] * az
                total += weight[3, j] * bx + weight[4, j] * by + weight[5, j] * bz
            elif k >= j and not tree.slides[j]:
                # Only the point moves, with column k.
                ax, ay, az = cross(
                    pose.axis[j, 0],
                    pose.axis[j, 1],
                    pose.axis[j, 2],
                    jacobian[0, k],
                    jacobian[1, k],
                    jacobian[2, k],
                )
                total += weight[0, j] * ax + weight[1, j] * ay + weight[2, j] * az
        gradient[k] = w * total
    return w
