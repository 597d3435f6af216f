//! Where the nodes of a scene are at one moment.

use glam::{DMat4, DQuat, Mat4};
use monotile::{Error, Result};
use monotile_kernels::transform::formulas::{self, AffineRows};

use crate::{NodeTransform, NodeTrs, Scene, Skin};

/// parent_from_node of every node, and the weights of every node's targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Pose {
    /// As many as the scene has nodes.
    pub locals: Vec<NodeTransform>,
    /// For each node as many as its mesh has targets.
    pub weights: Vec<Vec<f32>>,
}

impl Pose {
    /// The pose of the file.
    pub fn rest(scene: &Scene) -> Self {
        let weights = scene.nodes.iter().map(|node| match node.mesh {
            Some(mesh) if node.weights.is_empty() => scene.meshes[mesh].weights.clone(),
            _ => node.weights.clone(),
        });
        Self { locals: scene.nodes.iter().map(|node| node.local).collect(), weights: weights.collect() }
    }

    /// world_from_node of every node.
    pub(crate) fn world(&self, scene: &Scene) -> Vec<DMat4> {
        let mut world: Vec<DMat4> = Vec::with_capacity(self.locals.len());
        for (node, local) in scene.nodes.iter().zip(&self.locals) {
            let local = local.matrix();
            world.push(node.parent.map_or(local, |parent| world[parent] * local));
        }
        world
    }

    /// world_from_mesh by every joint of a skin, by columns.
    ///
    /// # Errors
    /// A skin that is not there.
    pub fn joint_matrices(&self, scene: &Scene, skin: usize) -> Result<Vec<[[f32; 4]; 4]>> {
        if skin >= scene.skins.len() {
            return Err(Error::value(format!("there is no skin {skin} among {}", scene.skins.len())));
        }
        Ok(Self::joints(scene, skin, &self.world(scene)).iter().map(|m| m.as_mat4().to_cols_array_2d()).collect())
    }

    /// world_from_mesh for every joint of a skin: a vertex is moved by the sum of these, weighted by its influences.
    pub(crate) fn joints(scene: &Scene, skin: usize, world: &[DMat4]) -> Vec<DMat4> {
        let Skin { joints, inverse_bind, .. } = &scene.skins[skin];
        joints.iter().zip(inverse_bind).map(|(&joint, bind)| world[joint] * wide(bind)).collect()
    }
}

impl NodeTransform {
    /// parent_from_node.
    pub(crate) fn matrix(&self) -> DMat4 {
        match self {
            Self::Trs(trs) => trs.matrix(),
            Self::Matrix(columns) => wide(columns),
        }
    }
}

impl NodeTrs {
    /// T · R · S.
    pub(crate) fn matrix(&self) -> DMat4 {
        let [translation, scale] = [self.translation, self.scale].map(|v| v.map(f64::from));
        affine(formulas::pose(translation, self.unit_rotation(), scale, 1.0))
    }

    /// The rotation, of length 1 in f64 too.
    pub(crate) fn unit_rotation(&self) -> [f64; 4] {
        DQuat::from_array(self.rotation.map(f64::from)).normalize().to_array()
    }
}

/// The matrix that a formula gives.
pub(crate) fn affine([x, y, z]: AffineRows<f64>) -> DMat4 {
    DMat4::from_cols_array_2d(&[x, y, z, [0.0, 0.0, 0.0, 1.0]]).transpose()
}

/// A file's matrix.
pub(crate) fn wide(columns: &[[f32; 4]; 4]) -> DMat4 {
    Mat4::from_cols_array_2d(columns).as_dmat4()
}
