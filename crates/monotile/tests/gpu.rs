//! Models on each GPU found, beside the same on the processor; what is refused; memory.

use monotile::attention::{AttentionOptions, rotary, rotary_tables, scaled_dot_product_attention};
use monotile::linalg::{QrOptions, SvdOptions, cholesky, inv, qr, svd};
use monotile::ops::{CrossEntropyOptions, cross_entropy, embedding, rms_norm};
use monotile::optim::{Adam, AdamOptions, AdamW, AdamWOptions, Sgd, SgdOptions};
use monotile::tape::grad;
use monotile::transform::quaternion;
use monotile::{Capabilities, DType, Device, GpuOptions, Result, Rng, Tensor, einsum};

/// A device with all that an adapter has, and one with WebGPU's defaults.
fn devices() -> Vec<Device> {
    let open = |capabilities| Device::gpu(&GpuOptions { adapter: None, capabilities });
    let devices: Vec<Device> = [None, Some(Capabilities::webgpu())].into_iter().filter_map(|of| open(of).ok()).collect();
    let required = std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1");
    assert!(!required || devices.len() == 2, "no adapter");
    if devices.is_empty() {
        eprintln!("skipped: no adapter");
    }
    devices
}

#[track_caller]
fn close(there: &Tensor, here: &Tensor, tolerance: f64) {
    let (there, here) = (there.to_f64_vec().unwrap(), here.to_f64_vec().unwrap());
    assert_eq!(there.len(), here.len());
    let largest = here.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    let off = there.iter().zip(&here).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
    assert!(off <= tolerance * largest, "off by {off:e} of {largest}");
}

fn words<T>(result: Result<T>) -> String {
    result.err().expect("a refusal").to_string()
}

/// The losses of 20 steps of a perceptron with one hidden layer, and its parameters after them.
fn perceptron(device: &Device) -> Result<(Vec<f64>, Vec<Tensor>)> {
    let mut rng = Rng::new(7);
    let mut draw = |shape: &[usize]| rng.normal(shape, DType::F32)?.mul_scalar(0.4)?.to(device);
    let (x, y) = (draw(&[32, 6])?, draw(&[32, 3])?);
    let mut parameters = Vec::new();
    for shape in [&[6, 16][..], &[16], &[16, 3], &[3]] {
        parameters.push(draw(shape)?.requires_grad());
    }
    let mut optimizer = AdamW::new(AdamWOptions { lr: 1e-2, ..Default::default() });
    let mut losses = Vec::new();
    for _ in 0..20 {
        let hidden = x.matmul(&parameters[0])?.add(&parameters[1])?.gelu()?;
        let loss = hidden.matmul(&parameters[2])?.add(&parameters[3])?.sub(&y)?.square()?.mean(&[], false)?;
        let gradients = grad(&loss, &parameters)?;
        optimizer.step(&mut parameters, &gradients)?;
        losses.push(f64::from(loss.item::<f32>()?));
    }
    Ok((losses, parameters))
}

#[test]
fn a_perceptron_learns_the_same() {
    let (here, parameters) = perceptron(&Device::cpu()).unwrap();
    assert!(here[19] < 0.7 * here[0], "{here:?}");
    for device in devices() {
        let (there, moved) = perceptron(&device).unwrap();
        assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1e-4), "{here:?}\n{there:?}");
        for (there, here) in moved.iter().zip(&parameters) {
            assert_eq!(there.device(), device);
            close(there, here, 1e-4);
        }
    }
}

/// The loss of a block of a transformer with one head of keys for two of queries, and the gradients of what it has learned.
fn transformer_block(device: &Device, dtype: DType) -> Result<(Tensor, Vec<Tensor>)> {
    let (batch, time, heads, groups, dim, vocabulary) = (2, 9, 2, 1, 4, 11);
    let width = heads * dim;
    let mut rng = Rng::new(11);
    let mut draw = |shape: &[usize]| rng.normal(shape, DType::F32)?.mul_scalar(0.5)?.to_dtype(dtype)?.to(device);
    let mut weights = Vec::new();
    for shape in [[vocabulary, width], [width, width], [groups * dim, width], [groups * dim, width], [24, width], [width, 24]] {
        weights.push(draw(&shape)?.requires_grad());
    }
    weights.push(Tensor::ones(&[width], dtype)?.to(device)?.requires_grad());
    let ids: Vec<i64> = (0..batch * time).map(|i| (i * i % vocabulary) as i64).collect();
    let ids = Tensor::from_vec(ids, &[batch, time])?.to(device)?;
    let (cos, sin) = rotary_tables(&Tensor::arange(time)?, dim, 10_000.0, DType::F32)?;
    let (cos, sin) = (cos.to_dtype(dtype)?.to(device)?, sin.to_dtype(dtype)?.to(device)?);

    let x = embedding(&weights[0], &ids)?;
    let normed = rms_norm(&x, &weights[6], 1e-5)?;
    let split = |w: &Tensor, n: usize| normed.matmul(&w.t())?.reshape(&[batch, time, n, dim])?.transpose(1, 2);
    let (q, k, v) = (split(&weights[1], heads)?, split(&weights[2], groups)?, split(&weights[3], groups)?);
    let (q, k) = (rotary(&q, &cos, &sin)?, rotary(&k, &cos, &sin)?);
    let options = AttentionOptions { causal: true, ..Default::default() };
    let seen = scaled_dot_product_attention(&q, &k, &v, &options)?.transpose(1, 2)?.reshape(&[batch, time, width])?;
    let x = x.add(&seen)?;
    let x = x.add(x.matmul(&weights[4].t())?.silu()?.matmul(&weights[5].t())?)?;
    let logits = x.matmul(&weights[0].t())?.slice(1, ..time - 1)?.reshape(&[batch * (time - 1), vocabulary])?;
    let targets = ids.slice(1, 1..)?.reshape(&[batch * (time - 1)])?;
    let loss = cross_entropy(&logits, &targets, &CrossEntropyOptions { ignore_index: Some(4), ..Default::default() })?;
    let gradients = grad(&loss, &weights)?;
    Ok((loss, gradients))
}

#[test]
fn a_block_of_a_transformer_has_the_same_loss_and_gradients() {
    let (loss, gradients) = transformer_block(&Device::cpu(), DType::F64).unwrap();
    for device in devices() {
        let (there, moved) = transformer_block(&device, DType::F32).unwrap();
        close(&there, &loss, 1e-5);
        for (there, here) in moved.iter().zip(&gradients) {
            assert_eq!(there.device(), device);
            close(there, here, 1e-4);
        }
    }
}

#[test]
fn factors_of_small_matrices_are_there_and_nothing_is_refused_by_values() {
    let definite = Tensor::from_rows(&[[4.0_f32, 2.0], [2.0, 10.0]]).unwrap();
    let both = Tensor::stack(&[&definite, &definite.neg().unwrap()], 0).unwrap();
    for device in devices() {
        let l = cholesky(&both.to(&device).unwrap()).unwrap();
        assert_eq!(l.device(), device);
        let l = l.to_vec::<f32>().unwrap();
        assert_eq!(l[..4], [2.0, 0.0, 1.0, 3.0]);
        assert!(l[4].is_nan(), "{l:?}");

        let singular = Tensor::ones(&[2, 2], DType::F32).unwrap().contiguous().unwrap().to(&device).unwrap();
        assert!(inv(&singular).unwrap().to_vec::<f32>().unwrap().iter().all(|x| !x.is_finite()));
        let rows = Tensor::zeros(&[2, 4], DType::F32).unwrap().contiguous().unwrap().to(&device).unwrap();
        assert!(quaternion::normalize(&rows).unwrap().to_vec::<f32>().unwrap().iter().all(|x| x.is_nan()));

        let large = Rng::new(1).normal(&[2, 33, 5], DType::F32).unwrap().to(&device).unwrap();
        let told = words(svd(&large, &SvdOptions::default()));
        assert!(told.starts_with("svd: on ") && told.contains("matrices are at most 32 x 32, not 33 x 5; move"), "{told}");
        // A full Q is a basis, and the rows of R beyond the columns are 0.
        let tall = large.slice(1, ..9).unwrap();
        let full = qr(&tall, &QrOptions { full: true, ..Default::default() }).unwrap();
        assert_eq!((full.q.shape(), full.r.shape(), full.q.device()), (&[2, 9, 9][..], &[2, 9, 5][..], device.clone()));
        close(&full.q.matmul(&full.r).unwrap(), &tall.to(&Device::cpu()).unwrap(), 1e-5);
        let identity = Tensor::eye(9, DType::F32).unwrap().expand([2, 9, 9]).unwrap();
        close(&full.q.mt().matmul(&full.q).unwrap(), &identity, 1e-5);
        // Of columns of zeros, too.
        let none = Tensor::from_vec(vec![0.0_f32; 12], &[4, 3]).unwrap().to(&device).unwrap();
        let full = qr(&none, &QrOptions { full: true, ..Default::default() }).unwrap();
        close(&full.q.mt().matmul(&full.q).unwrap(), &Tensor::eye(4, DType::F32).unwrap(), 1e-6);
    }
}

/// Masks of both kinds, of heads that share keys: outputs, and gradients by queries, keys and values.
#[test]
fn masked_attention_and_its_gradients_agree() {
    let mut rng = Rng::new(12);
    let [q, k, v] = [[2, 4, 37, 8], [2, 2, 45, 8], [2, 2, 45, 8]].map(|shape| rng.normal(&shape, DType::F32).unwrap());
    let numbers = rng.normal(&[2, 1, 37, 45], DType::F32).unwrap();
    let hidden = numbers.gt(0.8).unwrap();
    let masks = [hidden.not().unwrap(), hidden.where_(f32::NEG_INFINITY, &numbers).unwrap()];
    for device in devices() {
        for (mask, causal) in masks.iter().zip([false, true]) {
            let run = |device: &Device| {
                let leaves = [&q, &k, &v].map(|x| x.to(device).unwrap().requires_grad());
                let mask = mask.to(device).unwrap();
                let options = AttentionOptions { mask: Some(&mask), causal, ..Default::default() };
                let y = scaled_dot_product_attention(&leaves[0], &leaves[1], &leaves[2], &options).unwrap();
                let gradients = grad(&y.square().unwrap().sum(&[], false).unwrap(), &leaves).unwrap();
                (y, gradients)
            };
            let ((y, gradients), (expected, pulled)) = (run(&device), run(&Device::cpu()));
            assert_eq!(y.device(), device);
            close(&y, &expected, 1e-5);
            gradients.iter().zip(&pulled).for_each(|(there, here)| close(there, here, 1e-4));
        }
    }
}

/// What is repeated in memory, on the processor or there, is as what is not.
#[test]
fn a_number_that_is_repeated_computes_as_others_do() {
    for device in devices() {
        for x in [Tensor::full(&[2, 3], 2.5_f32).unwrap(), Tensor::from([2.5_f32]).expand([2, 3]).unwrap(), Tensor::scalar(2.5_f32)]
        {
            let n = x.len();
            let there = x.to(&device).unwrap();
            assert_eq!((-&there).to_vec::<f32>().unwrap(), vec![-2.5; n]);
            assert_eq!((-&there).device(), device);
            assert_eq!((&there + &there).to_vec::<f32>().unwrap(), vec![5.0; n]);
            let leaf = there.requires_grad();
            let loss = (-&leaf).square().unwrap().sum(&[], false).unwrap();
            assert_eq!(grad(&loss, &[&leaf]).unwrap()[0].to_vec::<f32>().unwrap(), vec![5.0; n]);
            assert_eq!(there.exp().unwrap().reshape([n]).unwrap().sort(0, true).unwrap().1.to_f64_vec().unwrap().len(), n);
        }
        let whole = Tensor::full(&[3], 7_i64).unwrap().to(&device).unwrap();
        assert_eq!((-&whole).to_f64_vec().unwrap(), [-7.0; 3]);
    }
}

/// Sorting and what follows from it, with equal numbers, NaN and gradients, beside the processor.
#[test]
fn orders_are_those_of_the_processor() {
    let mut rng = Rng::new(4);
    let x = rng.normal(&[3, 300], DType::F32).unwrap().mul_scalar(8.0).unwrap().round().unwrap();
    let mut numbers = x.to_vec::<f32>().unwrap();
    (numbers[307], numbers[450], numbers[8]) = (f32::NAN, f32::NAN, -0.0);
    let spoiled = Tensor::from_vec(numbers, &[3, 300]).unwrap();
    for device in devices() {
        for x in [&x, &spoiled] {
            let there = x.to(&device).unwrap();
            for descending in [false, true] {
                let ((values, places), (v, p)) = (x.sort(1, descending).unwrap(), there.sort(1, descending).unwrap());
                assert_eq!(places.to_f64_vec().unwrap(), p.to_f64_vec().unwrap());
                let [values, v] = [values, v].map(|x| x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>());
                assert_eq!(values, v);
            }
            let same = |of: &dyn Fn(&Tensor) -> Tensor| {
                let [here, there] = [of(x), of(&there)].map(|x| x.to_f64_vec().unwrap());
                assert_eq!(here.len(), there.len());
                assert!(here.iter().zip(&there).all(|(a, b)| a == b || a.is_nan() && b.is_nan()), "{here:?} {there:?}");
            };
            same(&|x| x.topk(5, 1, true).unwrap().1);
            same(&|x| x.median([1], false).unwrap());
            same(&|x| x.quantile([0.1, 0.9], [1], false).unwrap());
            same(&|x| x.mode(1, false).unwrap().1);
            same(&|x| x.unique().unwrap().counts);
            same(&|x| x.cummax(1).unwrap().1);
            same(&|x| x.cummin(0).unwrap().0);
            same(&|x| x.gt(3.0).unwrap().nonzero().unwrap());
            same(&|x| x.masked_select(&x.lt(-10.0).unwrap()).unwrap());
        }
        let leaves = [&x, &x.to(&device).unwrap()].map(Tensor::requires_grad);
        let [here, there] = leaves.map(|x| {
            let middle = x.sort(1, false).unwrap().0.slice(1, 100..200).unwrap().square().unwrap().sum(&[], false).unwrap();
            grad(&middle, &[&x]).unwrap().remove(0)
        });
        close(&there, &here, 0.0);
        let counts = Tensor::from([3_i64, 0, 3, 7]).to(&device).unwrap().bincount(None, 0).unwrap();
        assert_eq!(counts.to_f64_vec().unwrap(), [1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0]);
    }
}

#[test]
fn three_operands_contract_as_on_the_processor() {
    let mut rng = Rng::new(3);
    let [a, b, c] = [[3, 4, 5].as_slice(), &[5, 2, 4], &[2, 6]].map(|shape| rng.normal(shape, DType::F64).unwrap());
    let value = |x: [&Tensor; 3]| einsum("ijk,klj,lm->mi", &x);
    let here = [&a, &b, &c].map(Tensor::requires_grad);
    let expected = value(here.each_ref()).unwrap();
    let pulled = grad(&expected.square().unwrap().sum(&[], false).unwrap(), &here).unwrap();
    for device in devices() {
        let there = [&a, &b, &c].map(|x| x.to_dtype(DType::F32).unwrap().to(&device).unwrap().requires_grad());
        let y = value(there.each_ref()).unwrap();
        close(&y, &expected, 1e-5);
        let found = grad(&y.square().unwrap().sum(&[], false).unwrap(), &there).unwrap();
        found.iter().zip(&pulled).for_each(|(there, here)| close(there, here, 1e-5));
    }
}

#[test]
fn gradients_come_back_to_where_a_tensor_came_from() {
    for device in devices() {
        let x = Tensor::from([1.0_f32, -2.0, 3.0]).requires_grad();
        let y = x.to(&device).unwrap().square().unwrap().to(&Device::cpu()).unwrap();
        let g = grad(&y.sum(&[], false).unwrap(), &[&x]).unwrap().remove(0);
        assert!(g.device().is_cpu() && y.device().is_cpu());
        assert_eq!(g.to_vec::<f32>().unwrap(), [2.0, -4.0, 6.0]);
    }
}

#[test]
fn every_type_comes_back_as_it_went() {
    for device in devices() {
        let x = Rng::new(1).normal(&[5, 7], DType::F32).unwrap();
        for dtype in [DType::F32, DType::BF16, DType::F16, DType::I32, DType::Bool] {
            let here = x.to_dtype(dtype).unwrap();
            let views: [fn(&Tensor) -> Tensor; 4] =
                [Tensor::clone, Tensor::mt, |x| x.slice(1, 1..5).unwrap(), |x| x.select(0, 3).unwrap()];
            for view in views {
                let there = view(&here.to(&device).unwrap());
                assert_eq!((there.dtype(), there.shape()), (dtype, view(&here).shape()));
                assert_eq!(there.to_f64_vec().unwrap(), view(&here).to_f64_vec().unwrap(), "{dtype}");
                assert_eq!(there.contiguous().unwrap().to_f64_vec().unwrap(), view(&here).to_f64_vec().unwrap(), "{dtype}");
            }
        }
        let repeated = Tensor::full(&[1000, 1000], 0.5_f32).unwrap();
        let before = device.memory().unwrap();
        let there = repeated.to(&device).unwrap();
        assert_eq!((device.memory().unwrap() - before, there.shape()), (4, &[1000, 1000][..]));
        let integers = Tensor::from([3_i64, -4]).to(&device).unwrap();
        assert_eq!(integers.to_vec::<i32>().unwrap(), [3, -4]);
        assert_eq!(format!("{integers} {}", there.select(0, 0).unwrap().slice(0, ..2).unwrap()), "[ 3, -4] [0.5, 0.5]");
    }
}

#[test]
fn values_are_awaited() {
    for device in devices() {
        let y = Tensor::from([1.0_f32, 2.0]).to(&device).unwrap().mul_scalar(2.0).unwrap();
        let mut read = std::pin::pin!(y.read::<f32>());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let found = loop {
            if let std::task::Poll::Ready(found) = read.as_mut().poll(&mut context) {
                break found.unwrap();
            }
        };
        assert_eq!(found, [2.0, 4.0]);
    }
}

#[test]
fn what_a_gpu_does_not_do_is_refused_in_a_sentence() {
    for device in devices() {
        let name = device.name().to_string();
        let x = Rng::new(1).normal(&[3, 3], DType::F32).unwrap();
        let there = x.to(&device).unwrap();
        assert_eq!(words(there.add(&x)), format!("add: one operand is on {name}, the other on cpu; move one with `to`"));
        assert_eq!(words(x.matmul(&there)), format!("einsum: one operand is on cpu, the other on {name}; move one with `to`"));
        let wide = format!("to: {name} holds f32, bf16, f16, i32 and bool, not f64; cast to f32");
        assert_eq!(words(x.to_dtype(DType::F64).unwrap().to(&device)), wide);
        let cast = format!("to_dtype: {name} holds f32, bf16, f16, i32 and bool, not f64; cast to f32");
        assert_eq!(words(there.to_dtype(DType::F64)), cast);
        let large = Tensor::from([1_i64, 3_000_000_000]).to(&device);
        assert_eq!(words(large), format!("to: {name} holds integers as i32, and 3000000000 at position 1 is none"));
        let factored = monotile::linalg::schur(&there);
        assert_eq!(words(factored), format!("schur: not on a GPU yet; move the operands from {name} to the cpu with `to`"));
        let ids = Tensor::from([0_i64, 3]).to(&device).unwrap();
        assert_eq!(words(embedding(&there, &ids)), "embedding: index 3 is outside the table of 3 rows");
        // A number stands beside a tensor of any device.
        assert_eq!(there.add(Tensor::scalar(1.0_f32)).unwrap().device(), device);
        close(&there.mul(Tensor::full(&[3], 2.0_f32).unwrap()).unwrap(), &x.mul_scalar(2.0).unwrap(), 0.0);
        assert_eq!(there.zeros_like().device(), device);
    }
    let elsewhere = words(Device::open("a graphics card that nobody has"));
    assert!(elsewhere.starts_with("device: "), "{elsewhere}");
    assert!(Device::open("cpu").unwrap().is_cpu());
}

#[test]
fn a_device_is_opened_once() {
    let (Ok(a), Ok(b)) = (Device::open("gpu"), Device::open("gpu")) else { return };
    assert_eq!(a, b);
    assert_eq!(Device::open(a.name()).unwrap(), a);
    assert_ne!(a, Device::gpu(&GpuOptions::default()).unwrap());
    assert_ne!(a, Device::cpu());
}

#[test]
fn dropped_tensors_give_their_memory_back() {
    for device in devices() {
        let x = Rng::new(1).normal(&[64, 64], DType::F32).unwrap().to(&device).unwrap();
        let before = device.memory().unwrap();
        for _ in 0..3 {
            let leaf = x.requires_grad();
            let y = leaf.matmul(&leaf).unwrap().exp().unwrap().softmax(-1).unwrap();
            let g = grad(&y.square().unwrap().sum(&[], false).unwrap(), &[&leaf]).unwrap();
            assert!(device.memory().unwrap() > before);
            drop((leaf, y, g));
            assert_eq!(device.memory().unwrap(), before);
        }
        drop(x);
        assert_eq!(device.memory().unwrap(), before - 4 * 64 * 64);
    }
}

#[test]
fn every_optimizer_steps_as_on_the_processor() {
    fn steps(device: &Device, mut step: impl FnMut(&mut [Tensor], &[Tensor]) -> Result<()>) -> Vec<f64> {
        let mut parameters = vec![Tensor::from([1.0_f32, -2.0, 0.5]).to(device).unwrap().requires_grad()];
        for _ in 0..5 {
            let loss = parameters[0].square().unwrap().sum(&[], false).unwrap();
            let gradients = grad(&loss, &parameters).unwrap();
            step(&mut parameters, &gradients).unwrap();
        }
        parameters[0].to_f64_vec().unwrap()
    }
    let all = |device: &Device| {
        let mut adamw = AdamW::new(AdamWOptions { lr: 0.1, ..Default::default() });
        let mut adam = Adam::new(AdamOptions { lr: 0.1, ..Default::default() });
        let mut sgd = Sgd::new(SgdOptions { lr: 0.1, momentum: 0.9, ..Default::default() });
        [steps(device, |p, g| adamw.step(p, g)), steps(device, |p, g| adam.step(p, g)), steps(device, |p, g| sgd.step(p, g))]
    };
    let here = all(&Device::cpu());
    for device in devices() {
        let there = all(&device);
        let flat = |x: &[Vec<f64>; 3]| x.concat();
        let same = flat(&here).iter().zip(flat(&there)).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(same, "{here:?}\n{there:?}");
    }
}

/// Factors, bounds and lengths are parameters: a schedule compiles nothing anew.
#[test]
fn other_numbers_need_no_other_kernel() {
    for device in devices() {
        let x = Rng::new(1).normal(&[4, 300], DType::F32).unwrap();
        let (there, mut compiled) = (x.to(&device).unwrap(), None);
        for step in 1..5 {
            let (factor, n) = (0.1 * f64::from(step), 40 * step as usize);
            let value = |x: &Tensor| -> Result<Tensor> {
                let x = x.slice(1, ..n)?.mul_scalar(factor)?.add_scalar(factor)?.clamp(-factor, 2.0 * factor)?;
                x.pow(1.0 + factor.round())?.leaky_relu(factor)?.var(&[1], 1.0, false)?.sum(&[], false)
            };
            let leaves = [there.requires_grad(), x.requires_grad()];
            let found = [0, 1].map(|i| grad(&value(&leaves[i]).unwrap(), &[&leaves[i]]).unwrap().remove(0));
            close(&found[0], &found[1], 1e-5);
            assert_eq!(*compiled.get_or_insert(device.compiled()), device.compiled(), "step {step}");
        }
    }
}

/// The numbers of an optimizer's step change, its kernel does not.
#[test]
fn a_step_costs_a_kernel_a_parameter() {
    for device in devices() {
        let mut optimizer = AdamW::new(AdamWOptions::default());
        let mut parameters = vec![Tensor::from([1.0_f32, -2.0]).to(&device).unwrap().requires_grad()];
        let gradient = Tensor::from([1.0_f32, 1.0]).to(&device).unwrap();
        optimizer.step(&mut parameters, std::slice::from_ref(&gradient)).unwrap();
        let before = device.dispatches().unwrap();
        optimizer.step(&mut parameters, &[gradient]).unwrap();
        assert_eq!(device.dispatches().unwrap() - before, 1);
    }
}

#[test]
fn indexing_joining_and_their_gradients_agree() {
    let x = Rng::new(5).normal(&[4, 6], DType::F32).unwrap();
    let value = |x: &Tensor, device: &Device| -> Result<Tensor> {
        let picked = x.index_select(1, &Tensor::from([5_i64, 0, 5]).to(device)?)?;
        let joined = Tensor::cat(&[&picked, &x.slice_step(1, .., 2)?.square()?, &x.flip(1)?], 1)?;
        joined.tril(1)?.pad(0, 1, 2, 0.5)?.square()?.sum(&[0], false)
    };
    let leaf = x.requires_grad();
    let expected = value(&leaf, &Device::cpu()).unwrap();
    let pulled = grad(&expected.sum(&[], false).unwrap(), &[&leaf]).unwrap();
    for device in devices() {
        let leaf = x.to(&device).unwrap().requires_grad();
        let y = value(&leaf, &device).unwrap();
        close(&y, &expected, 1e-5);
        close(&grad(&y.sum(&[], false).unwrap(), &[&leaf]).unwrap()[0], &pulled[0], 1e-5);
    }
}
