//! Poses of the views that are learned from, refined with the field.

use monotile::linalg::cross;
use monotile::optim::{Adam, AdamOptions, Optimizer};
use monotile::transform::so3_exp;
use monotile::{DType, Error, Result, Tensor};

use super::cube::CubeRays;
use super::occupancy::RayMarch;

/// Whether poses are learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldPoses {
    /// They are right.
    #[default]
    Fixed,
    /// Each view is moved by a twist of its own: a rotation about its eye, and a translation. Their means stay 0.
    Refine,
}

/// The learning rate of twists at the first step: radians, and sides of the cube.
const RATE: f64 = 1e-3;

/// How each view has moved so far. A step is a twist from where it is: its gradient is taken at a twist of 0, where a rotation is a cross product.
pub(super) struct ViewPoses {
    /// Rotations about the eyes.
    rotations: Vec<[[f64; 3]; 3]>,
    /// Translations in sides of the cube.
    places: Vec<[f64; 3]>,
    optimizer: Adam,
}

const IDENTITY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl ViewPoses {
    pub fn new(views: usize) -> Self {
        let optimizer = Adam::new(AdamOptions { lr: RATE, betas: (0.9, 0.99), eps: 1e-15, weight_decay: 0.0 });
        Self { rotations: vec![IDENTITY; views], places: vec![[0.0; 3]; views], optimizer }
    }

    /// The rotation of a view about its eye, and its translation in sides of the cube.
    pub fn of(&self, view: usize) -> (&[[f64; 3]; 3], &[f64; 3]) {
        (&self.rotations[view], &self.places[view])
    }

    /// Moves the ray of a view that was pushed last.
    pub fn push(&self, rays: &mut CubeRays, view: usize) {
        let (rotation, place) = self.of(view);
        if let (Some(origin), Some(direction)) = (rays.origins.last_mut(), rays.directions.last_mut()) {
            let d = direction.map(f64::from);
            *direction = rotation.map(|row| (0..3).map(|k| row[k] * d[k]).sum::<f64>() as f32);
            (0..3).for_each(|k| origin[k] = (f64::from(origin[k]) + place[k]) as f32);
        }
    }

    /// A leaf of twists of 0, a row a view.
    pub fn leaf(&self) -> Result<Tensor> {
        Ok(Tensor::zeros(&[self.places.len(), 6], DType::F32)?.requires_grad())
    }

    /// The samples and the directions of rays on the tape, as functions of the twists of their views.
    pub fn on_tape(twists: &Tensor, views: &[i64], rays: &CubeRays, march: &RayMarch) -> Result<[Tensor; 2]> {
        let (n, samples) = (views.len(), march.starts.len());
        let twist = twists.index_select(0, &Tensor::from_slice(views, &[n])?)?;
        let direction = Tensor::from_vec(rays.directions.as_flattened().to_vec(), &[n, 3])?;
        let direction = direction.add(cross(&twist.slice(1, 3..)?, &direction, 1)?)?;
        let origin = Tensor::from_vec(rays.origins.as_flattened().to_vec(), &[n, 3])?.add(twist.slice(1, ..3)?)?;
        let of = Tensor::from_slice(&march.of, &[samples])?;
        let middles: Vec<f32> = march.starts.iter().zip(&march.ends).map(|(start, end)| 0.5 * (start + end)).collect();
        let middles = Tensor::from_vec(middles, &[samples, 1])?;
        let points = origin.index_select(0, &of)?.add(direction.index_select(0, &of)?.mul(middles)?)?;
        Ok([points, direction])
    }

    /// Goes one step along a gradient, and takes the mean of what all views move from each.
    pub fn step(&mut self, gradient: Tensor, decay: f64) -> Result<()> {
        let views = self.places.len();
        self.optimizer.options.lr = RATE * decay;
        let mut twists = vec![Tensor::zeros(&[views, 6], DType::F32)?];
        self.optimizer.step(&mut twists, &[gradient])?;
        let twists = twists[0].detach().to_dtype(DType::F64)?;
        let twists = twists.sub(twists.mean(&[0], true)?)?;
        let rotations = so3_exp(&twists.slice(1, 3..)?)?.to_vec::<f64>()?;
        let places = twists.slice(1, ..3)?.to_vec::<f64>()?;
        for view in 0..views {
            let (r, old) = (&rotations[9 * view..][..9], self.rotations[view]);
            self.rotations[view] =
                std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| r[3 * i + k] * old[k][j]).sum::<f64>()));
            (0..3).for_each(|k| self.places[view][k] += places[3 * view + k]);
        }
        Ok(())
    }

    /// What a file keeps: rows of a rotation and a place, and the optimizer's tensors.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let rows: Vec<f64> =
            self.rotations.iter().zip(&self.places).flat_map(|(r, p)| [r.as_flattened(), &p[..]].concat()).collect();
        let mut all = vec![("rows".to_string(), Tensor::from_vec(rows, &[self.places.len(), 12])?)];
        all.extend(self.optimizer.state_tensors().into_iter().map(|(name, tensor)| (format!("adam.{name}"), tensor)));
        Ok(all)
    }

    /// Goes on from what [`Self::tensors`] gave.
    pub fn resume(&mut self, tensors: Vec<(String, Tensor)>) -> Result<()> {
        let (rows, optimizer): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(name, _)| name == "rows");
        let views = self.places.len();
        let rows = match rows.first() {
            Some((_, rows)) if rows.shape() == [views, 12] && rows.dtype() == DType::F64 => rows.to_vec::<f64>()?,
            _ => return Err(Error::value(format!("nerf: the state has no poses of {views} views"))),
        };
        for (view, row) in rows.chunks_exact(12).enumerate() {
            self.rotations[view] = std::array::from_fn(|i| std::array::from_fn(|j| row[3 * i + j]));
            self.places[view] = [row[9], row[10], row[11]];
        }
        let own = optimizer.into_iter().filter_map(|(name, tensor)| Some((name.strip_prefix("adam.")?.to_string(), tensor)));
        self.optimizer.resume_tensors(&own.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the tape says of a small twist is what a step does to rays, up to its square.
    #[test]
    fn samples_follow_small_twists() {
        let rays = CubeRays {
            origins: vec![[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
            directions: vec![[0.6, 0.0, 0.8], [0.0, -0.8, 0.6]],
            depths: vec![1.0; 2],
        };
        let march = RayMarch { starts: vec![0.1, 0.2, 0.5], ends: vec![0.2, 0.3, 0.6], of: vec![0, 0, 1], ..RayMarch::default() };
        let twists = [0.003_f32, -0.002, 0.001, 0.002, 0.004, -0.003, -0.003, 0.002, -0.001, -0.002, -0.004, 0.003];
        let leaf = Tensor::from_slice(&twists, &[2, 6]).unwrap();
        let [points, directions] = ViewPoses::on_tape(&leaf, &[0, 1], &rays, &march).unwrap();
        let mut poses = ViewPoses::new(2);
        // Adam's first step is as long as its rate, along signs: those of the twists here, whose mean is 0.
        let signs: Vec<f32> = twists.iter().map(|x| -x.signum()).collect();
        poses.step(Tensor::from_slice(&signs, &[2, 6]).unwrap(), 1.0).unwrap();
        let (rotation, place) = poses.of(0);
        assert!((place[0] - RATE).abs() < 1e-9 && (place[1] + RATE).abs() < 1e-9);
        assert!((rotation[1][0] + RATE).abs() < 1e-5 && (rotation[0][0] - 1.0).abs() < 1e-5);
        let mut moved = CubeRays { origins: vec![rays.origins[0]], directions: vec![rays.directions[0]], depths: vec![1.0] };
        poses.push(&mut moved, 0);
        let signs = Tensor::from_slice(&twists.map(|x| x.signum() * RATE as f32), &[2, 6]).unwrap();
        let [_, turned] = ViewPoses::on_tape(&signs, &[0, 1], &rays, &march).unwrap();
        let turned = turned.to_vec::<f32>().unwrap();
        assert!((0..3).all(|k| (turned[k] - moved.directions[0][k]).abs() < 3e-6), "{turned:?} {:?}", moved.directions);
        assert_eq!((points.shape(), directions.shape()), (&[3, 3][..], &[2, 3][..]));
        let kept = poses.tensors().unwrap();
        let mut other = ViewPoses::new(2);
        other.resume(kept.clone()).unwrap();
        assert_eq!(other.of(1), poses.of(1));
        assert!(ViewPoses::new(3).resume(kept).unwrap_err().to_string().contains("nerf: the state has no poses of 3 views"));
    }
}
