//! Bytes as shaders read them.

use glam::Mat4;

/// Numbers of four bytes in the order of a WGSL structure's fields.
#[derive(Default)]
pub(super) struct UniformData(Vec<u32>);

impl UniformData {
    /// How many there are; the place of what is added next.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn uints(&mut self, values: impl IntoIterator<Item = u32>) -> &mut Self {
        self.0.extend(values);
        self
    }

    pub fn floats(&mut self, values: &[f32]) -> &mut Self {
        self.0.extend(values.iter().map(|v| v.to_bits()));
        self
    }

    pub fn matrix(&mut self, m: &Mat4) -> &mut Self {
        self.floats(&m.to_cols_array())
    }

    /// Up to a whole number of vectors of four, which is what the size of a uniform's structure is.
    pub fn pad(&mut self) -> &mut Self {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}
