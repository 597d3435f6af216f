//! Parts of radiance fields against reference results in f64, where they are: `MONOTILE_CASES`, else `../shared/cases` beside the workspace.
//!
//! The references were computed by automatic differentiation. Within: f64 values 1e-13, gradients 1e-11 of the largest; f32 values 1e-5, gradients 1e-4; where a
//! position is multiplied by a thousand or more before it is rounded, 1e-3.

mod shared;

use monotile::io::SafeTensors;
use monotile::linalg::inv;
use monotile::ops::linear;
use monotile::tape::grad;
use monotile::{DType, Tensor};
use monotile_radiance::{
    CompositeOptions, FrequencyOptions, HashGrid, HashGridOptions, HashGridStyle, MatrixCamera, composite, direction_harmonics,
    frequency_encoding, rays,
};
use serde_json::Value;

use shared::cases;

struct Case<'a> {
    about: &'a Value,
    file: &'a SafeTensors,
    dtype: DType,
}

impl Case<'_> {
    fn id(&self) -> &str {
        self.about["id"].as_str().unwrap()
    }

    fn whole(&self, name: &str) -> usize {
        self.about[name].as_u64().unwrap() as usize
    }

    fn tensor(&self, name: &str) -> Option<Tensor> {
        self.file.tensor(&format!("{}.{name}", self.id())).ok()
    }

    fn leaf(&self, name: &str) -> Tensor {
        self.tensor(name).unwrap().to_dtype(self.dtype).unwrap().requires_grad()
    }

    fn offsets(&self) -> Vec<i64> {
        self.tensor("offsets").unwrap().to_f64_vec().unwrap().iter().map(|&x| x as i64).collect()
    }

    fn close(&self, name: &str, found: &Tensor, bound: f64) {
        let expected = self.tensor(name).unwrap();
        assert_eq!(found.shape(), expected.shape(), "{} {name}", self.id());
        let (found, expected) = (found.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
        let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for (i, (x, y)) in found.iter().zip(&expected).enumerate() {
            let off = (x - y).abs() / largest;
            assert!((x - y).abs() <= bound * largest, "{} {:?} {name}[{i}] is {x}, not {y} ({off:e})", self.id(), self.dtype);
        }
    }

    fn grid(&self) -> HashGrid {
        let grid = HashGrid::new(HashGridOptions {
            style: if self.about["style"] == "paper" { HashGridStyle::Paper } else { HashGridStyle::TinyCudaNn },
            levels: self.whole("levels"),
            features: self.whole("features"),
            log2_rows: self.whole("log2_rows") as u32,
            least: self.whole("n_min"),
            most: self.whole("n_max"),
        });
        let grid = grid.unwrap();
        for (level, told) in grid.levels().iter().zip(self.about["levels_detail"].as_array().unwrap()) {
            // The reader of JSON may miss the last bit.
            let scale = told["scale"].as_f64().unwrap();
            assert!((level.scale - scale).abs() <= f64::EPSILON * scale, "{}: {} and {scale}", self.id(), level.scale);
            assert_eq!(Some(level.dense), told["dense"].as_bool(), "{}", self.id());
            assert_eq!((Some(u64::from(level.side)), Some(u64::from(level.rows))), (told["side"].as_u64(), told["rows"].as_u64()));
        }
        grid
    }

    /// Compares outputs, and the gradients of ⟨cot, outputs⟩.
    fn compare(&self, outputs: &[(&str, Tensor)], leaves: &[(&str, &Tensor)]) {
        let scaled =
            self.about["n_max"].as_u64().is_some_and(|n| n >= 1000) || self.about["frequencies"].as_u64().is_some_and(|n| n >= 10);
        let (near, far) = match self.dtype {
            DType::F64 => (1e-13, 1e-11),
            _ if scaled => (1e-3, 1e-3),
            _ => (1e-5, 1e-4),
        };
        let mut loss = Tensor::scalar_as(0.0, DType::F64);
        for (name, output) in outputs {
            self.close(name, output, near);
            if let Some(cot) = self.tensor(&format!("cot_{name}")) {
                let part = output.mul(cot.to_dtype(output.dtype()).unwrap()).unwrap();
                loss = loss.add(part.sum(&[], false).unwrap()).unwrap();
            }
        }
        let inputs: Vec<&Tensor> = leaves.iter().map(|(_, leaf)| *leaf).collect();
        for ((name, _), gradient) in leaves.iter().zip(grad(&loss, &inputs).unwrap()) {
            self.close(&format!("d{name}"), &gradient, far);
        }
    }

    fn volume(&self) {
        let names = ["density", "colour", "start", "end", "background"];
        let leaves = names.map(|name| self.leaf(name));
        let [density, color, start, end, background] = &leaves;
        let options = CompositeOptions { least_transmittance: self.about["t_min"].as_f64().unwrap() };
        let seen = composite(density, color, [start, end], &self.offsets(), &options).unwrap();
        let picture = seen.colors.add(seen.transmittances.mul(background).unwrap()).unwrap();
        let flat = |x: &Tensor| x.reshape(&[x.len()]).unwrap();
        let outputs = [
            ("picture", picture),
            ("opacity", flat(&seen.opacities)),
            ("depth", flat(&seen.depths)),
            ("weights", seen.weights.clone()),
        ];
        self.compare(&outputs, &names.iter().copied().zip(&leaves).collect::<Vec<_>>());
    }

    fn frequency(&self) {
        let x = self.leaf("x");
        let options = FrequencyOptions {
            frequencies: self.whole("frequencies"),
            factor: if self.about["factor"] == "pi" { std::f64::consts::PI } else { 1.0 },
            include_input: self.about["include_input"].as_bool().unwrap(),
        };
        self.compare(&[("out", frequency_encoding(&x, &options).unwrap())], &[("x", &x)]);
    }

    fn harmonics(&self) {
        let v = self.leaf("v");
        self.compare(&[("out", direction_harmonics(&v, 4).unwrap())], &[("v", &v)]);
    }

    fn hash(&self) {
        let (grid, x, table) = (self.grid(), self.leaf("x"), self.leaf("table"));
        self.compare(&[("out", grid.encode(&x, &table).unwrap())], &[("x", &x), ("table", &table)]);
    }

    fn hash_index(&self) {
        for (bits, column) in self.about["log2_rows"].as_array().unwrap().iter().zip(0..) {
            let options = HashGridOptions {
                log2_rows: bits.as_u64().unwrap() as u32,
                levels: 1,
                least: 1 << 20,
                most: 1 << 20,
                ..HashGridOptions::default()
            };
            let grid = HashGrid::new(options).unwrap();
            for (vertex, rows) in self.about["vertices"].as_array().unwrap().iter().zip(self.about["rows"].as_array().unwrap()) {
                let vertex = [0, 1, 2].map(|a| vertex[a].as_u64().unwrap() as u32);
                assert_eq!(Some(u64::from(grid.levels()[0].row(vertex))), rows[column].as_u64(), "{vertex:?}");
            }
        }
    }

    /// The camera's matrices are made of the pose and the focal length on the tape, in f64 whatever the case is computed in.
    fn rays(&self) {
        if self.dtype != DType::F64 {
            return;
        }
        let (width, height) = (self.whole("width"), self.whole("height"));
        let (pose, f) = (self.leaf("P"), self.leaf("f"));
        let number = |scale: f64| f.mul(scale).unwrap().reshape(&[1, 1]).unwrap();
        let zeros = |columns: usize| Tensor::zeros(&[1, columns], DType::F64).unwrap();
        let row = |parts: &[Tensor]| Tensor::cat(parts, 1).unwrap();
        let lens = Tensor::cat(
            &[
                row(&[number(2.0 / width as f64), zeros(3)]),
                row(&[zeros(1), number(2.0 / height as f64), zeros(2)]),
                Tensor::from_rows(&[[0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]]).unwrap(),
            ],
            0,
        );
        // V = (R⁻¹ | −R⁻¹ s): the last row of a pose has no gradient.
        let part = |from: usize, to: usize| pose.slice(0, ..3).unwrap().slice(1, from..to).unwrap();
        let back = inv(&part(0, 3)).unwrap();
        let place = back.matmul(&part(3, 4)).unwrap().neg().unwrap();
        let last = Tensor::from_rows(&[[0.0, 0.0, 0.0, 1.0]]).unwrap();
        let view = Tensor::cat(&[Tensor::cat(&[back, place], 1).unwrap(), last], 0).unwrap();
        let camera = MatrixCamera { view_from_world: view, clip_from_view: lens.unwrap(), width, height };
        let pixels: Vec<f64> = (0..height).flat_map(|j| (0..width).flat_map(move |i| [i as f64 + 0.5, j as f64 + 0.5])).collect();
        let seen = rays(&camera, &Tensor::from_vec(pixels, &[width * height, 2]).unwrap()).unwrap();
        let picture = |x: &Tensor| x.reshape(&[height, width, 3]).unwrap();
        let length = seen.directions.square().unwrap().sum(&[1], true).unwrap().sqrt().unwrap();
        let unit = seen.directions.div(&length).unwrap();
        // A camera at exactly one place: each ray has it as its origin.
        let outputs = [("direction", picture(&seen.directions)), ("unit", picture(&unit)), ("origin", picture(&seen.origins))];
        self.compare(&outputs, &[("P", &pose), ("f", &f)]);
    }

    fn field(&self) {
        let names = ["origins", "directions", "table", "W1", "b1", "W2", "b2", "background"];
        let leaves = names.map(|name| self.leaf(name));
        let [origins, directions, table, w1, b1, w2, b2, background] = &leaves;
        let (offsets, grid) = (self.offsets(), self.grid());
        let [start, end] = ["start", "end"].map(|name| self.tensor(name).unwrap().to_dtype(self.dtype).unwrap());
        let of: Vec<i64> = offsets.windows(2).zip(0..).flat_map(|(ends, ray)| vec![ray; (ends[1] - ends[0]) as usize]).collect();
        let of = Tensor::from_vec(of, &[start.len()]).unwrap();
        let middle = start.add(&end).unwrap().mul(0.5).unwrap().unsqueeze(1).unwrap();
        let each = |x: &Tensor| x.index_select(0, &of).unwrap();
        let x = each(origins).add(each(directions).mul(middle).unwrap()).unwrap();
        let hidden = linear(&grid.encode(&x, table).unwrap(), &w1.mt(), Some(b1)).unwrap().relu().unwrap();
        let z = linear(&hidden, &w2.mt(), Some(b2)).unwrap();
        let density = z.slice(1, ..1).unwrap().exp().unwrap().reshape(&[start.len()]).unwrap();
        let color = z.slice(1, 1..).unwrap().sigmoid().unwrap();
        let seen = composite(&density, &color, [&start, &end], &offsets, &CompositeOptions::default()).unwrap();
        let flat = |x: &Tensor| x.reshape(&[x.len()]).unwrap();
        let picture = seen.colors.add(seen.transmittances.mul(background).unwrap()).unwrap();
        let outputs = [("picture", picture), ("opacity", flat(&seen.opacities)), ("depth", flat(&seen.depths))];
        self.compare(&outputs, &names.iter().copied().zip(&leaves).collect::<Vec<_>>());
    }

    fn check(&self) {
        match self.about["part"].as_str().unwrap() {
            "volume" => self.volume(),
            "frequency" => self.frequency(),
            "sh" => self.harmonics(),
            "hash" => self.hash(),
            "hash_index" => self.hash_index(),
            "rays" => self.rays(),
            "field" => self.field(),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn values_and_gradients_are_the_references() {
    let Some(folder) = cases("nerf") else { return };
    let text = std::fs::read_to_string(folder.join("nerf.json")).unwrap();
    let about: Value = serde_json::from_str(&text).unwrap();
    let file = SafeTensors::open(folder.join("nerf.safetensors")).unwrap();
    let cases = about["cases"].as_array().unwrap();
    assert!(cases.len() >= 18);
    for dtype in [DType::F64, DType::F32] {
        for case in cases {
            Case { about: case, file: &file, dtype }.check();
        }
    }
}
