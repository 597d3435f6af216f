"""What SciPy, GLM and PyTorch's exponential of matrices compute."""

import numpy as np
import torch

from .cases import draw, group


@group("scipy", "PyGLM", "numpy", "torch")
def transforms(cases):
    """Rotations, poses, cameras and projections; gradients where PyTorch has an exponential of matrices."""
    from scipy.spatial.transform import RigidTransform, Rotation, Slerp

    def rotations(n):
        return Rotation.from_rotvec(draw(n, 3).numpy())

    a, b, points, vectors = rotations(3), rotations(3), draw(3, 3).numpy(), draw(3, 3).numpy()
    cases.add("quaternion_to_matrix", [a.as_quat()], [a.as_matrix()])
    cases.add("quaternion_from_matrix", [a.as_matrix()], [a.as_matrix()])
    cases.add("multiply", [a.as_quat(), b.as_quat()], [(a * b).as_matrix()])
    cases.add("inverse", [a.as_quat()], [a.inv().as_matrix()])
    cases.add("rotate", [a.as_quat(), points], [a.apply(points)])
    angles = draw(3)
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    cases.add("from_axis_angle", [vectors, angles], [Rotation.from_rotvec(unit * angles.numpy()[:, None]).as_matrix()])
    cases.add("from_rotation_vector", [vectors], [Rotation.from_rotvec(vectors).as_matrix()])
    cases.add("to_rotation_vector", [a.as_quat()], [a.as_rotvec()])
    for axes in ["xyz", "zyx", "yxz", "zxz", "xyx"]:
        cases.add("from_euler", [vectors], [Rotation.from_euler(axes, vectors).as_matrix()], axes=axes, extrinsic=True)
        cases.add("from_euler", [vectors], [Rotation.from_euler(axes.upper(), vectors).as_matrix()], axes=axes, extrinsic=False)
    times = np.array([0.0, 0.25, 0.625, 1.0])
    ends = Rotation.concatenate([a[0], b[0]])
    cases.add("slerp", [a[0].as_quat(), b[0].as_quat(), times], [Slerp([0, 1], ends)(times).as_matrix()])

    scales, pose = draw(3, 3, low=0.5).numpy(), np.zeros((3, 4, 4))
    pose[:, :3, :3], pose[:, :3, 3], pose[:, 3, 3] = a.as_matrix() * scales[:, None, :], points, 1
    inverse = np.linalg.inv(pose)
    cases.add("compose", [points, a.as_quat(), scales], [pose])
    cases.add("compose_inverse", [points, a.as_quat(), scales], [inverse])
    cases.add("decompose", [pose], [points, a.as_matrix(), scales])
    cases.add("affine_inverse", [pose], [inverse])
    cases.add("normal_matrix", [pose], [np.ascontiguousarray(inverse[:, :3, :3].swapaxes(1, 2))])
    rigid = RigidTransform.from_components(points, a)
    cases.add("rigid_inverse", [rigid.as_matrix()], [rigid.inv().as_matrix()])
    dual = rigid.as_dual_quat()
    cases.add("dual_quaternion", [a.as_quat(), points], [dual * np.sign((dual[:, :4] * a.as_quat()).sum(1, keepdims=True))])
    cases.add("from_dual_quaternion", [dual], [rigid.as_matrix()])

    def exponential(xi):
        rho, (x, y, z) = xi[:3], xi[3:]
        zero = torch.zeros_like(x)
        top = torch.stack([zero, -z, y, rho[0], z, zero, -x, rho[1], -y, x, zero, rho[2]]).reshape(3, 4)
        return torch.linalg.matrix_exp(torch.cat([top, torch.zeros(1, 4)]))

    rotated = lambda v, p: exponential(torch.cat([torch.zeros(3), v]))[:3, :3] @ p
    cases.torch("se3_exp", exponential, [draw(6)], second=True)
    cases.torch("se3_exp", exponential, [torch.zeros(6, dtype=torch.float64)])
    cases.torch("rotated", rotated, [draw(3), draw(3)], second=True)
    cameras(cases)


def cameras(cases):
    """GLM computes projections of Python's numbers in f32; the rest is f64."""
    from pyglm import glm

    def rows(m):
        """A matrix of GLM, which counts by columns."""
        return np.array([[m[j][i] for j in range(4)] for i in range(4)], dtype=np.float64)

    eye, target, up = draw(3), draw(3), draw(3)
    view = glm.lookAtRH(*(glm.dvec3(*x.tolist()) for x in [eye, target, up]))
    cases.add("look_at", [eye, target, up], [rows(view)])
    tensor = lambda x: torch.tensor(x, dtype=torch.float64)
    lens = [1.125, 1.5, 0.25, 40.0]
    clip = {
        "zero_one": glm.perspectiveRH_ZO(*lens),
        "minus_one_one": glm.perspectiveRH_NO(*lens),
    }
    for depth, m in clip.items():
        cases.add("perspective", [*map(tensor, lens)], [rows(m)], depth=depth, precision="f32")
    box = [-2.0, 3.0, -1.5, 1.0, 0.25, 40.0]
    for depth, f in {"zero_one": glm.orthoRH_ZO, "minus_one_one": glm.orthoRH_NO}.items():
        cases.add("orthographic", [*map(tensor, box)], [rows(f(*box))], depth=depth, precision="f32")
    m, point = glm.dmat4(clip["zero_one"]), glm.dvec3(0.5, -0.25, -3.0)
    width, height = 640.0, 400.0
    pixel = glm.projectZO(point, glm.dmat4(1), m, glm.dvec4(0, 0, width, height))
    pixel = [pixel.x, height - pixel.y, pixel.z]
    cases.add("project", [rows(m), tensor([width, height]), tensor(list(point))], [tensor(pixel)])
