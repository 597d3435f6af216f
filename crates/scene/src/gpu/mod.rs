//! The renderer of graphics processors: the pictures of the CPU's, through WebGPU's shaders.
//!
//! A scene is uploaded once. A picture then takes one uniform, the matrices and weights of its pose, and a list of draws: vertices are fetched, morphed,
//! skinned and lit on the device, by the formulas of `shot.rs`.
//!
//! # Messages of drivers
//! A library under a Vulkan driver may print a line of its own on standard error: on Linux `XDG_RUNTIME_DIR is invalid or not set`.
//! It does where that variable is missing, empty or no absolute path. A program that wants it quiet is started with a path there, even
//! one that does not exist.

mod device;
mod frame;
mod geometry;
mod material;
mod overlay;
mod pipeline;
mod screen;
mod shadow;
mod target;
mod texture;
mod uniform_data;
mod window_surface;

use monotile::{Device, GpuAccess, Result, Tensor};
use monotile_gpu::texture_numbers;
use wgpu::util::DeviceExt as _;

pub use self::device::is_left_at_work;
pub use self::overlay::Rectangle;
pub use self::screen::{PictureScreen, Screen};

use self::device::{Gpu, unsupported};
use self::geometry::Geometry;
use self::material::Materials;
use self::pipeline::{PipelineKey, Pipelines, PrimitiveShape};
use self::shadow::GroundShadow;
use self::target::{Headless, RenderTarget};
use crate::draws::{AlphaPart, Draw, DrawOrder, Draws};
use crate::rendering::CameraView;
use crate::{Picture, Pose, Scene, Shot, Topology};

/// A scene on a graphics device.
pub struct GpuRenderer {
    gpu: Gpu,
    uploaded: Uploaded,
    headless: Option<Headless>,
    /// A tensor of the device, where it was given.
    there: Option<Tensor>,
}

/// What a device holds of a scene, and how it is drawn in one format.
struct Uploaded {
    /// The hierarchy and the materials; geometry and images are on the device alone.
    scene: Scene,
    order: DrawOrder,
    geometry: Geometry,
    pipelines: Pipelines,
    ground: GroundShadow,
    materials: Materials,
    frame: wgpu::BindGroup,
    uniform: wgpu::Buffer,
    matrices: wgpu::Buffer,
    weights: wgpu::Buffer,
    indices: wgpu::Buffer,
}

impl GpuRenderer {
    /// Uploads a scene to the best adapter of this machine.
    ///
    /// # Errors
    /// A machine without an adapter, and a scene that does not fit it.
    pub fn new(scene: &Scene) -> Result<Self> {
        Self::over(Gpu::open()?, scene, None)
    }

    /// Uploads a scene to the GPU of a device, so that [`draw_tensor`](Self::draw_tensor) returns tensors there.
    ///
    /// # Errors
    /// The processor, and a scene that does not fit.
    pub fn on(device: &Device, scene: &Scene) -> Result<Self> {
        let there = Tensor::from([0.0_f32]).to(device)?;
        let Some(access) = GpuAccess::of("gpu", &[&there])? else {
            return Err(unsupported("the cpu draws by `raster`, and a GPU's renderer is asked for"));
        };
        Self::over(Gpu::of(access.stream().gpu()), scene, Some(there))
    }

    fn over(gpu: Gpu, scene: &Scene, there: Option<Tensor>) -> Result<Self> {
        let uploaded = Uploaded::new(&gpu, scene, Headless::FORMAT)?;
        Ok(Self { gpu, uploaded, headless: None, there })
    }

    /// What draws, in a few words: the adapter's name, and whether it is software.
    pub fn adapter(&self) -> String {
        self.gpu.name()
    }

    /// Whether the adapter is a program on the processor.
    pub fn is_software(&self) -> bool {
        self.gpu.summary().software
    }

    /// The picture of a pose.
    ///
    /// # Errors
    /// A picture that is larger than the device's textures or takes longer than the limit `gpu-time`, and a device that is lost. After a
    /// picture that took too long the device is still busy with it.
    pub fn draw(&mut self, pose: &Pose, shot: &Shot) -> Result<Picture> {
        self.drawn(pose, shot, |gpu, headless, mut encoder| {
            headless.copy(&mut encoder);
            gpu.queue.submit([encoder.finish()]);
            headless.read(gpu, shot.background == crate::Background::Transparent)
        })
    }

    /// The picture of a pose as a tensor `(height, width, 4)` of f32 from 0 to 1: red, green and blue of sRGB, and alpha. It does not leave the device.
    ///
    /// Before a transparent background colours are multiplied by alpha, in linear light, where [`draw`](Self::draw) divides by it.
    ///
    /// # Errors
    /// A renderer that was not made [`on`](Self::on) a device; else as [`draw`](Self::draw).
    pub fn draw_tensor(&mut self, pose: &Pose, shot: &Shot) -> Result<Tensor> {
        let Some(there) = self.there.clone() else {
            return Err(unsupported(
                "a picture is a tensor of the device that the renderer was made on; make it by GpuRenderer::on",
            ));
        };
        let Some(access) = GpuAccess::of("gpu", &[&there])? else { return Err(unsupported("its device is no GPU")) };
        self.drawn(pose, shot, |gpu, headless, encoder| {
            gpu.queue.submit([encoder.finish()]);
            access.tensor(&access.done(texture_numbers(access.stream(), &headless.texture))?)
        })
    }

    /// Draws into the picture of the device, and hands it on with what is to be submitted.
    fn drawn<T>(
        &mut self,
        pose: &Pose,
        shot: &Shot,
        finish: impl FnOnce(&Gpu, &Headless, wgpu::CommandEncoder) -> Result<T>,
    ) -> Result<T> {
        let Self { gpu, uploaded, headless, .. } = self;
        let size = [shot.camera.width, shot.camera.height];
        gpu.check_size(size)?;
        gpu.check_buffer("a picture", Headless::bytes(size))?;
        gpu.checked(|| {
            let headless = match headless {
                Some(headless) if headless.target.size == size => headless,
                other => other.insert(Headless::new(&gpu.device, size)),
            };
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            uploaded.encode(gpu, &mut encoder, (&headless.target, &headless.view), (pose, shot));
            finish(gpu, headless, encoder)
        })
    }
}

impl std::fmt::Debug for GpuRenderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GpuRenderer({})", self.adapter())
    }
}

impl Uploaded {
    fn new(gpu: &Gpu, scene: &Scene, format: wgpu::TextureFormat) -> Result<Self> {
        let order = DrawOrder::new(scene);
        let geometry = Geometry::new(scene, &order);
        gpu.check_bytes("vertices", geometry.words.bytes().len())?;
        gpu.check_bytes("indices", 4 * geometry.indices.len())?;
        gpu.check_bytes("primitives of nodes", geometry.records.bytes().len())?;
        gpu.check_bytes("matrices of nodes and joints", 64 * geometry.matrices)?;
        gpu.check_bytes("weights of morph targets", 4 * geometry.weights)?;
        gpu.check_buffer("materials", material::uniform_bytes(scene.materials.len()))?;
        for image in &scene.images {
            gpu.check_size([image.width as usize, image.height as usize])?;
        }
        gpu.checked(|| Self::place(gpu, scene, (order, geometry), format))
    }

    fn place(gpu: &Gpu, scene: &Scene, (order, geometry): (DrawOrder, Geometry), format: wgpu::TextureFormat) -> Result<Self> {
        let device = &gpu.device;
        let storage = wgpu::BufferUsages::STORAGE;
        let filled = |bytes: &[u8], usage| {
            // No binding may be empty.
            let contents = if bytes.is_empty() { &[0; 64][..] } else { bytes };
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
        };
        let empty = |bytes: usize, usage| {
            let size = bytes.max(64) as u64;
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let uniform = empty(frame::BYTES, wgpu::BufferUsages::UNIFORM);
        let matrices = empty(64 * geometry.matrices, storage);
        let weights = empty(4 * geometry.weights, storage);
        let records = filled(geometry.records.bytes(), storage);
        let words = filled(geometry.words.bytes(), storage);
        let indices = filled(bytemuck::cast_slice(&geometry.indices), storage | wgpu::BufferUsages::INDEX);

        let groups = [frame::layout(device), material::layout(device)];
        let buffers = [&uniform, &matrices, &weights, &records, &words, &indices];
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let frame =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some("frame"), layout: &groups[0], entries: &entries });
        let kept = Scene {
            nodes: scene.nodes.clone(),
            skins: scene.skins.clone(),
            materials: scene.materials.clone(),
            meshes: scene.meshes.iter().map(without_vertices).collect(),
            ..Scene::default()
        };
        Ok(Self {
            order,
            pipelines: Pipelines::new(device, &[Some(&groups[0]), Some(&groups[1])], format),
            ground: GroundShadow::new(device, &groups[0], format),
            materials: Materials::new(gpu, &groups[1], scene)?,
            scene: kept,
            geometry,
            frame,
            uniform,
            matrices,
            weights,
            indices,
        })
    }

    /// Writes what draws a pose into `view`, which `target` fits: a picture or a window alike.
    fn encode(
        &mut self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        (target, view): (&RenderTarget, &wgpu::TextureView),
        (pose, shot): (&Pose, &Shot),
    ) {
        let sight = CameraView::new(&shot.camera);
        let draws = self.order.draws(&self.scene, pose, (&sight.space, &sight.view_from_world));
        for draw in &draws.draws {
            let kind = self.kind(draw, shot);
            self.pipelines.ensure(&gpu.device, kind);
        }
        self.write(gpu, &draws, pose, (shot, &sight));
        if shot.casts_shadow() {
            self.ground.encode(encoder, &self.frame, |pass| self.cast(pass, &draws));
        }

        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("scene"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &target.colors,
                depth_slice: None,
                resolve_target: Some(view),
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT), store: wgpu::StoreOp::Discard },
            })],
            depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
                view: &target.depths,
                depth_ops: Some(wgpu::Operations { load: wgpu::LoadOp::Clear(1.0), store: wgpu::StoreOp::Discard }),
                stencil_ops: None,
            }),
            ..Default::default()
        });
        pass.set_bind_group(0, &self.frame, &[]);
        pass.set_index_buffer(self.indices.slice(..), wgpu::IndexFormat::Uint32);
        let behind = draws.draws.partition_point(|draw| !draw.blends());
        self.draw(&mut pass, &draws.draws[..behind], shot);
        self.ground.draw_background(&mut pass);
        self.draw(&mut pass, &draws.draws[behind..], shot);
    }

    fn write(&self, gpu: &Gpu, draws: &Draws, pose: &Pose, (shot, view): (&Shot, &CameraView)) {
        gpu.queue.write_buffer(&self.uniform, 0, frame::uniform(shot, view).bytes());
        gpu.queue.write_buffer(&self.matrices, 0, frame::matrices(&self.geometry, draws).bytes());
        gpu.queue.write_buffer(&self.weights, 0, frame::weights(&self.scene, pose).bytes());
    }

    fn shape(&self, draw: &Draw) -> &geometry::PrimitiveRange {
        &self.geometry.shapes[draw.mesh][draw.primitive]
    }

    fn kind(&self, draw: &Draw, shot: &Shot) -> PipelineKey {
        let of = self.shape(draw);
        let shape = match of.topology {
            Topology::Triangles if shot.wireframe => PrimitiveShape::Edges,
            Topology::Triangles => PrimitiveShape::Triangles { double_sided: of.double_sided, mirrored: draw.mirrored },
            Topology::Lines => PrimitiveShape::Lines { lit: of.has_normals },
            Topology::Points => PrimitiveShape::Points { lit: of.has_normals },
        };
        PipelineKey { shape, part: draw.part }
    }

    /// The draw's place in the buffer of records, as a range of one instance.
    fn instance(&self, draw: &Draw) -> std::ops::Range<u32> {
        let record = self.geometry.first_record[draw.node] + draw.primitive as u32;
        record..record + 1
    }

    fn draw(&self, pass: &mut wgpu::RenderPass<'_>, draws: &[Draw], shot: &Shot) {
        let mut bound = None;
        for draw in draws {
            let (shape, kind) = (self.shape(draw), self.kind(draw, shot));
            pass.set_pipeline(self.pipelines.get(kind));
            // A group with an offset costs a device much, though it be the same.
            if bound.replace(shape.material) != Some(shape.material) {
                self.materials.set(pass, shape.material);
            }
            let instance = self.instance(draw);
            // Six corners of a rectangle for every line, edge or point.
            match kind.shape {
                PrimitiveShape::Triangles { .. } => pass.draw_indexed(shape.indices(), 0, instance),
                PrimitiveShape::Edges => pass.draw(0..6 * shape.index_count, instance),
                PrimitiveShape::Lines { .. } => pass.draw(0..3 * shape.index_count, instance),
                PrimitiveShape::Points { .. } => pass.draw(0..6 * shape.index_count, instance),
            }
        }
    }

    /// What throws a shadow: every triangle that hides what is behind it.
    fn cast(&self, pass: &mut wgpu::RenderPass<'_>, draws: &Draws) {
        pass.set_index_buffer(self.indices.slice(..), wgpu::IndexFormat::Uint32);
        for draw in
            draws.draws.iter().filter(|draw| draw.part == AlphaPart::All && self.shape(draw).topology == Topology::Triangles)
        {
            pass.draw_indexed(self.shape(draw).indices(), 0, self.instance(draw));
        }
    }
}

/// What the order of drawing needs of a mesh.
fn without_vertices(mesh: &crate::Mesh) -> crate::Mesh {
    let primitives =
        mesh.primitives.iter().map(|p| crate::Primitive { topology: p.topology, material: p.material, ..Default::default() });
    crate::Mesh { name: mesh.name.clone(), primitives: primitives.collect(), weights: mesh.weights.clone() }
}
