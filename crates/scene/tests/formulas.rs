//! Formulas that are written once, on a graphics device and on the processor: the same numbers but for what WGSL allows a function to
//! be off.
#![cfg(feature = "gpu")]

use monotile::formula;
use monotile_kernels::elementwise;
use monotile_kernels::number::{Formula, Graph, record, wgsl_of};
use monotile_kernels::view::View;
use wgpu::util::DeviceExt;

/// Pairs of numbers.
const PAIRS: usize = 1024;
/// Threads of a workgroup.
const GROUP: usize = 64;

/// A formula, and its results on the processor.
struct Case {
    name: &'static str,
    graph: Graph,
    results: Vec<f32>,
    /// How far the device may be off, relative to 1 or the result.
    off: f32,
}

fn numbers() -> [Vec<f32>; 2] {
    let a = (0..PAIRS).map(|i| (i * 37 % PAIRS) as f32 / PAIRS as f32 * 12.0 - 6.0).collect();
    let b = (0..PAIRS).map(|i| (i * 101 % PAIRS) as f32 / PAIRS as f32 * 3.0 + 0.1).collect();
    [a, b]
}

fn case<F: Formula<2>>(name: &'static str, off: f32, f: F) -> Case {
    let [a, b] = numbers();
    let view = |x| View::new(x, 0, &[PAIRS], &[1]).unwrap();
    let mut results = vec![0.0; PAIRS];
    elementwise::formula([view(&a), view(&b)], &mut results, f);
    Case { name, graph: record(|x| f.apply(x)), results, off }
}

fn cases() -> Vec<Case> {
    vec![
        case("arithmetic", 1e-6, formula!(|a, b| (a + b) * a - b / (b + T::ONE))),
        case("multiply-add", 1e-6, formula!(|a, b| a.mul_add(b, -a))),
        case("absolute value and root", 1e-6, formula!(|a, b| a.abs().sqrt() + b.sqrt())),
        case("exponential", 1e-4, formula!(|a, b| (a * b).exp())),
        case("logarithm", 1e-4, formula!(|a, b| (a * a + b).ln())),
        // WGSL allows 2⁻¹¹.
        case("sine and cosine", 2e-3, formula!(|a, b| a.sin() + b.cos())),
        case("power", 1e-4, formula!(|a, b| b.powf(a))),
        case("tanh", 1e-4, formula!(|a, b| (a * b).tanh())),
        case("sigmoid", 1e-4, formula!(|a, b| (a * b).sigmoid())),
        case("far sigmoid", 1e-4, formula!(|a, b| (a * b * T::from_f64(1e4)).sigmoid())),
        case("silu", 1e-4, formula!(|a, b| a.silu() * b)),
        case("error function", 1e-4, formula!(|a, b| (a - b).erf())),
        case("normal distribution", 1e-4, formula!(|a, b| (a - b).normal_cdf())),
        case("gelu", 1e-4, formula!(|a, b| a.gelu() + b.gelu())),
        case("choice", 1e-6, formula!(|a, b| T::select(a.less(b) & !b.less_or_equal(T::ONE), a * b, T::from_f64(-0.3) * a))),
        case("extremes", 1e-6, formula!(|a, b| a.maximum(b) - (-a).minimum(b))),
    ]
}

/// The results of all formulas for all pairs, on a device; none where there is none.
fn on_device(cases: &[Case]) -> Option<Vec<f32>> {
    let instance = wgpu::Instance::default();
    let adapter = match pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())) {
        Ok(adapter) => adapter,
        Err(error) if std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
    let names: Vec<String> = (0..cases.len()).map(|k| format!("f{k}")).collect();
    let listed: Vec<(&str, &Graph)> = names.iter().map(String::as_str).zip(cases.iter().map(|case| &case.graph)).collect();
    let lines: String = names.iter().enumerate().map(|(k, f)| format!("    y[{} + i] = {f}(a[i], b[i]);\n", k * PAIRS)).collect();
    let source = format!(
        "{}@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size({GROUP})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    let i = id.x;
{lines}}}
",
        wgsl_of(&listed)
    );
    let module =
        device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(source.into()) });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let buffer = |contents: &[f32], usage| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(contents),
            usage,
        })
    };
    let [a, b] = numbers().map(|x| buffer(&x, wgpu::BufferUsages::STORAGE));
    let zeros = vec![0.0; cases.len() * PAIRS];
    let y = buffer(&zeros, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    let read = buffer(&zeros, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let entries = [&a, &b, &y];
    let entries: Vec<_> = (0..)
        .zip(entries)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let layout = pipeline.get_bind_group_layout(0);
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups((PAIRS / GROUP) as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&y, 0, &read, 0, size_of_val(&zeros[..]) as u64);
    queue.submit([encoder.finish()]);
    read.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let bytes = read.get_mapped_range(..).unwrap();
    Some(bytemuck::cast_slice(&bytes).to_vec())
}

#[test]
fn a_formula_gives_the_same_numbers_on_a_graphics_device() {
    let cases = cases();
    let Some(device) = on_device(&cases) else { return };
    let [a, b] = numbers();
    for (case, device) in cases.iter().zip(device.chunks_exact(PAIRS)) {
        for (i, (&x, &y)) in device.iter().zip(&case.results).enumerate() {
            let off = (x - y).abs() / y.abs().max(1.0);
            assert!(off <= case.off, "{} of {} and {}: {x} on the device, {y} on the processor", case.name, a[i], b[i]);
        }
        assert!(case.results.iter().any(|y| *y != 0.0), "{}", case.name);
    }
}
