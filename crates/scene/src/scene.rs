//! What a file holds: plain data, checked once when it is made, then trusted.

/// A model or a world: nodes in a hierarchy and what hangs on them.
///
/// Every index inside (of a parent, mesh, material, joint, vertex) is within its list, every parent stands before its children, and every
/// number is finite: the readers check it, and [`Scene::check`] does for scenes made by hand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// The hierarchy; parents before children.
    pub nodes: Vec<Node>,
    /// What nodes draw.
    pub meshes: Vec<Mesh>,
    /// How surfaces look.
    pub materials: Vec<Material>,
    /// Pictures with the way they are read.
    pub textures: Vec<Texture>,
    /// The pictures of textures, decoded.
    pub images: Vec<Image>,
    /// Joints that bend meshes.
    pub skins: Vec<Skin>,
    /// The lenses of nodes that are cameras.
    pub lenses: Vec<crate::Lens>,
    /// Animations.
    pub animations: Vec<Animation>,
}

/// A place in the hierarchy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// As the file names it, or empty.
    pub name: String,
    /// Whose space this node lives in; a node without one lives in the world.
    pub parent: Option<usize>,
    /// parent_from_node at rest.
    pub local: NodeTransform,
    /// The mesh drawn here.
    pub mesh: Option<usize>,
    /// The skin that bends the mesh; its vertices then follow the joints and not this node.
    pub skin: Option<usize>,
    /// The lens, where this node is a camera.
    pub lens: Option<usize>,
    /// Weights of the mesh's targets at rest, where they differ from the mesh's own; else empty.
    pub weights: Vec<f32>,
}

/// parent_from_node: as parts that can be animated, or as a matrix that cannot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NodeTransform {
    /// T · R · S.
    Trs(NodeTrs),
    /// Any affine matrix, by columns.
    Matrix([[f32; 4]; 4]),
}

/// A translation, a rotation and a scale, applied to a point from right to left: T · R · S.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeTrs {
    /// Where the origin goes.
    pub translation: [f32; 3],
    /// A unit quaternion x, y, z, w.
    pub rotation: [f32; 4],
    /// Factors along the node's own axes; negative ones mirror.
    pub scale: [f32; 3],
}

/// Geometry: one primitive a material.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mesh {
    /// As the file names it, or empty.
    pub name: String,
    /// The parts.
    pub primitives: Vec<Primitive>,
    /// Weights of the targets at rest: as many as each primitive has targets.
    pub weights: Vec<f32>,
}

/// Vertices and the triangles, lines or points between them. Strips, loops and fans are lists by the time they are here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Primitive {
    /// What `indices` make.
    pub topology: Topology,
    /// Vertices, three, two or one a shape.
    pub indices: Vec<u32>,
    /// Where vertices are, in the mesh's space.
    pub positions: Vec<[f32; 3]>,
    /// Unit normals; for triangles always as many as positions (flat ones where the file has none), else empty or as many.
    pub normals: Vec<[f32; 3]>,
    /// Unit tangents and the sign of the bitangent; as many as positions where a normal map needs them, else empty.
    pub tangents: Vec<[f32; 4]>,
    /// Texture coordinates, set by set; (0, 0) is the first texel. Each set has as many as positions.
    pub uvs: Vec<Vec<[f32; 2]>>,
    /// Linear RGBA, multiplied with the material's; empty or as many as positions.
    pub colors: Vec<[f32; 4]>,
    /// Which joints move each vertex; empty without a skin.
    pub influences: SkinWeights,
    /// What can be added to the vertices by weights.
    pub targets: Vec<MorphTarget>,
    /// How it looks; the default material where there is none.
    pub material: Option<usize>,
}

/// The shapes that indices make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Topology {
    /// Three vertices each; counter-clockwise ones face the viewer.
    #[default]
    Triangles,
    /// Two vertices each, one pixel wide.
    Lines,
    /// One vertex each, one pixel.
    Points,
}

/// The joints of vertices: `per_vertex` pairs of joint and weight for each, weights that sum to one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SkinWeights {
    /// How many pairs a vertex has: a multiple of four, or 0.
    pub per_vertex: usize,
    /// Indices into [`Skin::joints`], vertex by vertex.
    pub joints: Vec<u16>,
    /// Their weights.
    pub weights: Vec<f32>,
}

/// A morph target: differences to the vertices, scaled by its weight. Each list is empty or has as many as positions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MorphTarget {
    /// Added to positions.
    pub positions: Vec<[f32; 3]>,
    /// Added to normals, before they are made unit again.
    pub normals: Vec<[f32; 3]>,
    /// Added to tangents.
    pub tangents: Vec<[f32; 3]>,
}

/// Joints and the matrices that bring the mesh into their spaces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Skin {
    /// As the file names it, or empty.
    pub name: String,
    /// Nodes.
    pub joints: Vec<usize>,
    /// joint_from_mesh where the mesh is not bent, by columns; as many as joints.
    pub inverse_bind: Vec<[[f32; 4]; 4]>,
}

/// A surface: metallic-roughness, as glTF 2.0 defines it. Textures multiply the factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// As the file names it, or empty.
    pub name: String,
    /// Linear RGBA.
    pub base_color: [f32; 4],
    /// sRGB and alpha.
    pub base_color_texture: Option<TextureRef>,
    /// 0 is a dielectric, 1 a metal.
    pub metallic: f32,
    /// 0 is a mirror, 1 is dull.
    pub roughness: f32,
    /// Roughness in green, metalness in blue.
    pub metallic_roughness_texture: Option<TextureRef>,
    /// Tangent-space normals.
    pub normal_texture: Option<TextureRef>,
    /// Scales the x and y of that normal.
    pub normal_scale: f32,
    /// How open to the sky, in red.
    pub occlusion_texture: Option<TextureRef>,
    /// How much of it counts.
    pub occlusion_strength: f32,
    /// Linear RGB that it sends out by itself.
    pub emissive: [f32; 3],
    /// sRGB.
    pub emissive_texture: Option<TextureRef>,
    /// What alpha does.
    pub alpha: AlphaMode,
    /// Whether back faces are drawn, with their normals turned over.
    pub double_sided: bool,
    /// Whether the base colour is shown as it is, without light.
    pub unlit: bool,
}

/// What the alpha of a surface does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum AlphaMode {
    /// Nothing.
    #[default]
    Opaque,
    /// Fragments below the cutoff are not there.
    Mask(f32),
    /// It is laid over what is behind.
    Blend,
}

/// Which texture, through which coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextureRef {
    /// Index into [`Scene::textures`].
    pub texture: usize,
    /// Index into [`Primitive::uvs`]; a primitive without that set reads at (0, 0).
    pub uv: usize,
    /// uv' = the first two columns times uv, plus the third: the identity unless the file transforms coordinates.
    pub transform: [[f32; 2]; 3],
}

/// A picture and the way it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Texture {
    /// Index into [`Scene::images`].
    pub image: usize,
    /// Between and beyond its texels.
    pub sampler: Sampler,
}

/// How texels are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Sampler {
    /// Beyond the left and right edge.
    pub wrap_u: WrapMode,
    /// Beyond the upper and lower edge.
    pub wrap_v: WrapMode,
    /// Between texels, where they are larger than pixels.
    pub magnify: Filter,
    /// Between texels of one level, where they are smaller.
    pub minify: Filter,
    /// Between levels; `None` reads the finest alone.
    pub mipmap: Option<Filter>,
}

/// What lies beyond a texture's edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WrapMode {
    /// The texture again.
    #[default]
    Repeat,
    /// The texture again, mirrored every second time.
    Mirror,
    /// Its last texels.
    Clamp,
}

/// What lies between texels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The nearest one.
    Nearest,
    /// A mixture of the neighbours.
    #[default]
    Linear,
}

/// A decoded picture.
#[derive(Clone, PartialEq)]
pub struct Image {
    /// As the file names it, or empty.
    pub name: String,
    /// Texels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Four bytes a texel, row by row from the top, as they are encoded in the file (sRGB for colours).
    pub rgba: Vec<u8>,
}

/// An animation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Animation {
    /// As the file names it, or empty.
    pub name: String,
    /// When its last key is, in seconds.
    pub duration: f32,
    /// What it moves.
    pub channels: Vec<Channel>,
}

/// Keys of one property of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Whose.
    pub node: usize,
    /// Ascending, in seconds; at least one.
    pub times: Vec<f32>,
    /// As many as times; three times as many (tangent in, value, tangent out) where the interpolation is cubic.
    pub keys: KeyframeValues,
    /// Between keys.
    pub interpolation: Interpolation,
}

/// The values of keys.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyframeValues {
    /// Of [`NodeTrs::translation`].
    Translation(Vec<[f32; 3]>),
    /// Of [`NodeTrs::rotation`].
    Rotation(Vec<[f32; 4]>),
    /// Of [`NodeTrs::scale`].
    Scale(Vec<[f32; 3]>),
    /// Of the mesh's weights: so many numbers a key.
    Weights(usize, Vec<f32>),
}

/// What lies between two keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The earlier one.
    Step,
    /// The straight line; for rotations the shorter great arc.
    #[default]
    Linear,
    /// The Hermite spline through values with tangents a second.
    Cubic,
}

impl Default for NodeTrs {
    fn default() -> Self {
        Self { translation: [0.0; 3], rotation: [0.0, 0.0, 0.0, 1.0], scale: [1.0; 3] }
    }
}

impl Default for NodeTransform {
    fn default() -> Self {
        Self::Trs(NodeTrs::default())
    }
}

impl Default for Material {
    fn default() -> Self {
        Self {
            name: String::new(),
            base_color: [1.0; 4],
            base_color_texture: None,
            metallic: 1.0,
            roughness: 1.0,
            metallic_roughness_texture: None,
            normal_texture: None,
            normal_scale: 1.0,
            occlusion_texture: None,
            occlusion_strength: 1.0,
            emissive: [0.0; 3],
            emissive_texture: None,
            alpha: AlphaMode::Opaque,
            double_sided: false,
            unlit: false,
        }
    }
}

impl Material {
    /// Which of [`Material::textures`] hold colours, which files encode as sRGB.
    pub(crate) const COLORS: [bool; 5] = [true, false, false, false, true];
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({:?}, {} x {})", self.name, self.width, self.height)
    }
}
