//! Pictures that a renderer has drawn, as numbers.

use monotile_kernels::shape::product;

use crate::each::{EachText, each};
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType};
use crate::stream::GpuStream;

/// The texels of a texture of four bytes as `(height, width, 4)` of f32, each byte divided by 255, after all that was submitted before. Nothing leaves the device.
///
/// # Errors
/// If the texture is not of `Rgba8Unorm` or its sRGB, which is not decoded, or cannot be copied; or the device has no memory.
pub fn texture_numbers(stream: &GpuStream, texture: &wgpu::Texture) -> GpuResult<GpuOperand> {
    let format = texture.format();
    let known = [wgpu::TextureFormat::Rgba8Unorm, wgpu::TextureFormat::Rgba8UnormSrgb].contains(&format);
    if !known || !texture.usage().contains(wgpu::TextureUsages::COPY_SRC) {
        let words =
            format!("texture_numbers: takes a texture of Rgba8Unorm that may be copied, not {format:?} for {:?}", texture.usage());
        return Err(GpuError::invalid(words));
    }
    let [width, height] = [texture.width(), texture.height()];
    let stride = (4 * width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let rows = stream.pool().take(u64::from(stride) * u64::from(height), &[])?;
    let layout = wgpu::TexelCopyBufferLayout { offset: rows.place()[1], bytes_per_row: Some(stride), rows_per_image: None };
    stream.encode(|encoder| {
        let to = wgpu::TexelCopyBufferInfo { buffer: rows.buffer(), layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), to, texture.size());
    });
    let pixels = product([width as usize, height as usize]);
    let result = stream.pool().take(product([16, pixels]) as u64, &[&rows])?;
    each(stream, ("texture_numbers", Vec::new()), [&[&rows], &[&result]], &[pixels as u32, width, stride / 4], text())?;
    GpuOperand::contiguous(&result, GpuType::F32, &[height as usize, width as usize, 4])
}

fn text() -> EachText {
    EachText {
        inputs: &["u32"],
        outputs: &["vec4<f32>"],
        globals: String::new(),
        body: "    let texel = a0[(at / w1()) * w2() + at % w1()];
    let bytes = (vec4<u32>(texel) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu);
    y0[at] = vec4<f32>(bytes) / 255.0;",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn the_text_is_a_shader() {
        validate(&text().text(3));
    }
}
