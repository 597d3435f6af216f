//! A small character that needs no file: a mesh bent by a skin, a texture that is computed, two clips.

mod limb;
mod motion;

use glam::{Mat4, Vec3};

use self::limb::{Limb, Shell};
use crate::{Filter, Image, Material, Mesh, Node, NodeTransform, NodeTrs, Sampler, Scene, Skin, Texture, TextureRef};

/// A bone: its name, its parent, and where it is when nothing is bent.
type Bone = (&'static str, Option<usize>, [f32; 3]);

const HIPS: usize = 0;
const SPINE: usize = 1;
const CHEST: usize = 2;
const HEAD: usize = 3;
/// Upper arm, forearm, thigh, shin and foot of the left side, and of the right one.
const LEFT: [usize; 5] = [4, 5, 8, 9, 10];
const RIGHT: [usize; 5] = [6, 7, 11, 12, 13];

/// It looks along +z; its left is +x.
const BONES: [Bone; 14] = [
    ("hips", None, [0.0, 0.82, 0.0]),
    ("spine", Some(HIPS), [0.0, 0.94, 0.0]),
    ("chest", Some(SPINE), [0.0, 1.08, 0.0]),
    ("head", Some(CHEST), [0.0, 1.29, 0.0]),
    ("left arm", Some(CHEST), [0.19, 1.19, 0.0]),
    ("left forearm", Some(4), [0.32, 0.99, 0.0]),
    ("right arm", Some(CHEST), [-0.19, 1.19, 0.0]),
    ("right forearm", Some(6), [-0.32, 0.99, 0.0]),
    ("left thigh", Some(HIPS), [0.10, 0.80, 0.0]),
    ("left shin", Some(8), [0.11, 0.45, 0.01]),
    ("left foot", Some(9), [0.11, 0.09, 0.0]),
    ("right thigh", Some(HIPS), [-0.10, 0.80, 0.0]),
    ("right shin", Some(11), [-0.11, 0.45, 0.01]),
    ("right foot", Some(12), [-0.11, 0.09, 0.0]),
];

const SKIN: [f32; 3] = [0.83, 0.50, 0.34];
const HAIR: [f32; 3] = [0.10, 0.05, 0.04];
const TROUSERS: [f32; 3] = [0.07, 0.13, 0.30];
const SHOES: [f32; 3] = [0.55, 0.07, 0.05];
const WHITE: [f32; 3] = [1.0; 3];

impl Scene {
    /// A person of 1.65 m who walks (clip 0) and waves (clip 1): about 900 vertices that 14 bones bend, with colours of their own and a
    /// checked shirt.
    ///
    /// # Example
    /// ```
    /// use monotile_scene::Scene;
    /// let scene = Scene::figure();
    /// scene.check()?;
    /// let animations: Vec<_> = scene.animations.iter().map(|clip| (clip.name.as_str(), clip.duration)).collect();
    /// assert_eq!(animations, [("walk", 1.0), ("wave", 2.0)]);
    /// # Ok::<(), monotile_scene::Error>(())
    /// ```
    pub fn figure() -> Self {
        let at = |bone: usize| Vec3::from(BONES[bone].2);
        let mut nodes = vec![Node { name: "figure".into(), ..Node::default() }];
        for (name, parent, _) in BONES {
            let bone = nodes.len() - 1;
            let translation = (at(bone) - parent.map_or(Vec3::ZERO, at)).into();
            let local = NodeTransform::Trs(NodeTrs { translation, ..NodeTrs::default() });
            nodes.push(Node { name: name.into(), parent: Some(parent.map_or(0, node)), local, ..Node::default() });
        }
        nodes.push(Node { name: "body".into(), parent: Some(0), mesh: Some(0), skin: Some(0), ..Node::default() });
        let bind = |bone: usize| Mat4::from_translation(-at(bone)).to_cols_array_2d();
        let skin = Skin {
            name: "bones".into(),
            joints: (0..BONES.len()).map(node).collect(),
            inverse_bind: (0..BONES.len()).map(bind).collect(),
        };
        let plain = Material { name: "plain".into(), metallic: 0.0, roughness: 0.6, ..Material::default() };
        let transform = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];
        let checks = Some(TextureRef { texture: 0, uv: 0, transform });
        let shirt = Material { name: "shirt".into(), base_color_texture: checks, roughness: 0.9, ..plain.clone() };
        let sampler = Sampler { mipmap: Some(Filter::Linear), ..Sampler::default() };
        Self {
            nodes,
            meshes: vec![Mesh {
                name: "body".into(),
                primitives: vec![body().primitive(0), torso().primitive(1)],
                weights: Vec::new(),
            }],
            materials: vec![plain, shirt],
            textures: vec![Texture { image: 0, sampler }],
            images: vec![checker()],
            skins: vec![skin],
            lenses: Vec::new(),
            animations: vec![motion::walk(), motion::wave()],
        }
    }
}

/// The node of a bone.
fn node(bone: usize) -> usize {
    bone + 1
}

/// All but the shirt.
fn body() -> Shell {
    let mut shell = Shell::default();
    for (side, [arm, forearm, thigh, shin, foot]) in [(1.0, LEFT), (-1.0, RIGHT)] {
        let at = |bone: usize| Vec3::from(BONES[bone].2);
        let reach = (at(forearm) - at(arm)).normalize();
        let wrist = at(forearm) + 0.22 * reach;
        shell.limb(&Limb {
            path: &[(at(arm) - 0.03 * reach, 0.062), (at(arm) + 0.1 * reach, 0.052), (at(forearm), 0.046), (wrist, 0.036)],
            bones: &[(arm, at(arm)), (forearm, at(forearm))],
            color: SKIN,
        });
        shell.limb(&Limb { path: &[(wrist, 0.045), (wrist + 0.06 * reach, 0.05)], bones: &[(forearm, wrist)], color: SKIN });
        let hip = at(thigh) + Vec3::new(0.0, 0.06, 0.0);
        shell.limb(&Limb {
            path: &[(hip, 0.10), (at(thigh).lerp(at(shin), 0.4), 0.09), (at(shin), 0.068), (at(foot), 0.055)],
            bones: &[(HIPS, hip), (thigh, at(thigh)), (shin, at(shin))],
            color: TROUSERS,
        });
        let heel = Vec3::new(side * 0.11, 0.055, -0.045);
        let toe = Vec3::new(side * 0.125, 0.05, 0.15);
        shell.limb(&Limb { path: &[(heel, 0.055), (toe, 0.05)], bones: &[(foot, heel)], color: SHOES });
        let eye = Vec3::new(side * 0.062, 1.47, 0.152);
        shell.ball(eye, 0.022, HEAD, HAIR);
        shell.ball(Vec3::new(side * 0.172, 1.45, 0.0), 0.035, HEAD, SKIN);
    }
    let neck = Vec3::new(0.0, 1.24, 0.0);
    let throat = Vec3::new(0.0, 1.33, 0.0);
    shell.limb(&Limb { path: &[(neck, 0.055), (throat, 0.052)], bones: &[(CHEST, neck), (HEAD, throat)], color: SKIN });
    shell.ball(Vec3::new(0.0, 1.46, 0.0), 0.175, HEAD, SKIN);
    shell.ball(Vec3::new(0.0, 1.495, -0.022), 0.178, HEAD, HAIR);
    shell.ball(Vec3::new(0.0, 1.435, 0.172), 0.024, HEAD, SKIN);
    shell
}

/// The shirt.
fn torso() -> Shell {
    let mut shell = Shell::default();
    let [bottom, waist, breast, top] = [0.79, 0.95, 1.12, 1.20].map(|y| Vec3::new(0.0, y, 0.0));
    shell.limb(&Limb {
        path: &[(bottom, 0.155), (waist, 0.14), (breast, 0.18), (top, 0.15)],
        bones: &[(HIPS, bottom), (SPINE, Vec3::from(BONES[SPINE].2)), (CHEST, Vec3::from(BONES[CHEST].2))],
        color: WHITE,
    });
    shell
}

/// Squares of two colours.
fn checker() -> Image {
    const SIDE: u32 = 64;
    let texel = |i: u32| match (i % SIDE / 8 + i / SIDE / 8) % 2 {
        0 => [236, 225, 200, 255],
        _ => [38, 122, 118, 255],
    };
    Image { name: "checks".into(), width: SIDE, height: SIDE, rgba: (0..SIDE * SIDE).flat_map(texel).collect() }
}

#[cfg(test)]
mod tests {
    use crate::{Pose, Scene};

    #[test]
    fn the_figure_is_whole_and_unbent_at_rest() {
        let scene = Scene::figure();
        scene.check().unwrap();
        let world = Pose::rest(&scene).world(&scene);
        for joint in Pose::joints(&scene, 0, &world) {
            assert!(joint.abs_diff_eq(glam::DMat4::IDENTITY, 1e-6), "{joint}");
        }
    }

    #[test]
    fn clips_end_where_they_begin() {
        let scene = Scene::figure();
        for clip in &scene.animations {
            let [mut first, mut last] = [Pose::rest(&scene), Pose::rest(&scene)];
            clip.sample(0.0, &mut first);
            clip.sample(clip.duration, &mut last);
            let gap = first
                .world(&scene)
                .iter()
                .zip(last.world(&scene))
                .fold(0.0_f64, |gap, (a, b)| (*a - b).to_cols_array().iter().fold(gap, |gap, x| gap.max(x.abs())));
            assert!(gap < 1e-5, "{}: {gap}", clip.name);
        }
    }
}
