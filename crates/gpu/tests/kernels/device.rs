use monotile_gpu::{Capabilities, Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuType, copy};

use crate::{LAYOUTS, download, numbers, operand, streams, upload};

#[test]
fn an_adapter_that_is_not_there_is_named() {
    let options = GpuOptions { adapter: Some("no such adapter".into()), capabilities: None };
    let error = Gpu::open(&options).unwrap_err();
    assert_eq!(error.kind, GpuErrorKind::NoAdapter);
    assert!(error.message.contains("no adapter has \"no such adapter\"") || error.message.contains("there is no adapter here"));
}

#[test]
fn what_an_adapter_lacks_is_refused() {
    if streams().is_empty() {
        return;
    }
    let capabilities = Some(Capabilities { workgroup_bytes: u32::MAX, ..Capabilities::webgpu() });
    let error = Gpu::open(&GpuOptions { adapter: None, capabilities }).unwrap_err();
    assert_eq!(error.kind, GpuErrorKind::Unsupported);
    assert!(error.message.contains("does not have what was asked of it"), "{error}");
}

#[test]
fn webgpu_promises_little() {
    let few = Capabilities::webgpu();
    assert_eq!((few.workgroup_bytes, few.storage_buffers, few.binding_bytes), (16384, 8, 128 << 20));
    assert_eq!((few.subgroups, few.f16, few.immediates, few.workgroup_invocations), (None, false, 0, 256));
}

#[test]
fn bytes_come_back_in_order_whatever_is_recycled() {
    for (label, stream) in streams() {
        for bytes in [0, 1, 3, 255, 256, 4097, (1 << 20) + 5, 3 << 20] {
            let data: Vec<u8> = (0..bytes).map(|i| (i * 7 + bytes) as u8).collect();
            let block = stream.upload(&data).unwrap();
            let read = stream.read(&block);
            drop(block);
            // In the memory that the first had, while the first is not read yet.
            let other = stream.upload(&vec![9; bytes]).unwrap();
            assert!(pollster::block_on(read).unwrap() == data, "{label}: {bytes}");
            assert!(stream.read_blocking(&other).unwrap().iter().all(|&b| b == 9), "{label}: {bytes}");
        }
        assert_eq!(stream.pool().live(), 0, "{label}");
        stream.trim().unwrap();
        assert_eq!(stream.pool().reserved(), 0, "{label}");
    }
}

#[test]
fn many_dispatches_run_in_order() {
    for (label, stream) in streams() {
        let add = monotile_kernels::number::record(|[x, y]| x + y);
        let x = numbers(300, 1);
        let one = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[300]).unwrap();
        let mut sum = one.clone();
        // More than are submitted at once, and more parameters than one buffer holds.
        for _ in 0..200 {
            let block = monotile_gpu::map(&stream, &add, &[sum, one.clone()], GpuType::F32).unwrap().remove(0);
            sum = GpuOperand::contiguous(&block, GpuType::F32, &[300]).unwrap();
        }
        let mut expected = x.clone();
        for _ in 0..200 {
            expected.iter_mut().zip(&x).for_each(|(sum, x)| *sum += x);
        }
        assert_eq!(stream.dispatches(), 200);
        assert_eq!(download(&stream, sum.block()), expected, "{label}");
        // A page for each of two operands and the result.
        assert!(stream.pool().reserved() <= 12 << 20, "{label}: blocks are recycled");
    }
}

#[test]
fn each_dispatch_has_its_own_parameters_and_buffers() {
    for (label, stream) in streams() {
        let x = numbers(2000, 9);
        let block = upload(&stream, &x);
        // More than there are parameters for in a turn, and groups of bindings that are kept.
        let copies: Vec<_> = (0..1300)
            .map(|i| copy(&stream, &GpuOperand::strided(&block, GpuType::F32, &[7], &[100], i).unwrap(), GpuType::F32).unwrap())
            .collect();
        for (i, copied) in copies.iter().enumerate().filter(|(i, _)| i % 13 == 0 || i % 32 == 31) {
            let expected: Vec<f32> = (0..7).map(|k| x[i + 100 * k]).collect();
            assert_eq!(download(&stream, copied), expected, "{label}: {i}");
        }
    }
}

#[test]
fn threads_share_a_stream() {
    for (label, stream) in streams() {
        let double = monotile_kernels::number::record(|[x]: [monotile_kernels::number::Expr; 1]| x + x);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (stream, double, label) = (&stream, &double, &label);
                scope.spawn(move || {
                    for round in 0..40 {
                        let x = numbers(100 + 7 * round, (thread * 100 + round) as u32);
                        let view = GpuOperand::contiguous(&upload(stream, &x), GpuType::F32, &[x.len()]).unwrap();
                        let y = monotile_gpu::map(stream, double, &[view], GpuType::F32).unwrap().remove(0);
                        let expected: Vec<f32> = x.iter().map(|x| x + x).collect();
                        assert_eq!(download(stream, &y), expected, "{label}");
                    }
                });
            }
        });
    }
}

#[test]
fn large_blocks_reserve_little_more_than_they_need() {
    for (label, stream) in streams() {
        let blocks: Vec<_> = (0..6).map(|i| stream.pool().take((1 << 20) + 700_000 * i + 300, &[]).unwrap()).collect();
        drop(stream.pool().take(50 << 20, &[]).unwrap());
        stream.trim().unwrap();
        let (live, reserved) = (stream.pool().live() as f64, stream.pool().reserved() as f64);
        assert!(reserved <= 1.15 * live, "{label}: {reserved} of {live}");
        drop(blocks);
    }
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_recorded() {
    for (label, stream) in streams() {
        let most = stream.gpu().capabilities().binding_bytes;
        let error = stream.pool().take(most + 1, &[]).unwrap_err();
        assert_eq!(error.kind, GpuErrorKind::Limit, "{label}");
        assert!(error.message.contains("has blocks of at most"), "{error}");
    }
}

#[test]
fn operands_stay_inside_their_blocks() {
    for (_, stream) in streams() {
        let block = upload(&stream, &[0.0; 10]);
        for (sizes, strides, offset) in [(&[2, 5][..], &[5, 1][..], 1), (&[11], &[1], 0), (&[3], &[-1], 1), (&[2], &[10], 0)] {
            let error = GpuOperand::strided(&block, GpuType::F32, sizes, strides, offset).unwrap_err();
            assert!(error.message.contains("leaves its block of 10 elements"), "{error}");
        }
        let error = GpuOperand::strided(&block, GpuType::F32, &[1; 7], &[0; 7], 0).unwrap_err();
        assert!(error.message.contains("more than 6 dimensions"), "{error}");
        assert!(GpuOperand::strided(&block, GpuType::F32, &[0, 99], &[99, 1], 0).is_ok());
        assert!(GpuOperand::strided(&block, GpuType::BF16, &[20], &[1], 0).is_ok());
    }
}

#[test]
fn more_workgroups_than_a_dimension_has_fold_into_two() {
    // 256 elements a workgroup, so this many need a second row of the grid.
    let n = 65_535 * 256 + 1000;
    if let Some((label, stream)) = streams().pop() {
        let zero = upload(&stream, &[0.5]);
        let all = GpuOperand::strided(&zero, GpuType::F32, &[n], &[0], 0).unwrap();
        let block = copy(&stream, &all, GpuType::Bool).unwrap();
        let found = stream.read_blocking(&block).unwrap();
        assert!(found.len() == n && found.iter().all(|&b| b == 1), "{label}");
    }
}

#[test]
fn layouts_are_what_they_say() {
    for (_, stream) in streams().into_iter().take(1) {
        for layout in LAYOUTS {
            let (view, elements) = operand(&stream, &[2, 3, 5], layout, GpuType::F32, 3);
            assert_eq!(download(&stream, &copy(&stream, &view, GpuType::F32).unwrap()), elements, "{layout:?}");
        }
    }
}

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    for (label, stream) in streams() {
        let x = operand(&stream, &[3, 5], LAYOUTS[0], GpuType::F32, 3).0;
        stream.gpu().device().destroy();
        let run = || -> monotile_gpu::GpuResult<Vec<u8>> {
            let block = copy(&stream, &x, GpuType::F32)?;
            let other = stream.upload(&[1, 2, 3, 4])?;
            stream.read_blocking(&other)?;
            stream.read_blocking(&block)
        };
        for _ in 0..2 {
            let error = run().unwrap_err();
            assert_eq!(error.kind, GpuErrorKind::Lost, "{label}: {error}");
            assert!(error.message.contains("is lost"), "{error}");
        }
        assert_eq!(stream.flush().unwrap_err().kind, GpuErrorKind::Lost, "{label}");
        assert_eq!(stream.trim().unwrap_err().kind, GpuErrorKind::Lost, "{label}");
    }
}

#[test]
fn what_the_device_refuses_is_told_at_the_next_flush_and_once() {
    for (label, stream) in streams() {
        // A buffer of no use that a shader could have.
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::STORAGE;
        let descriptor = wgpu::BufferDescriptor { label: None, size: 4, usage, mapped_at_creation: false };
        let _ = stream.gpu().device().create_buffer(&descriptor);
        let error = stream.flush().unwrap_err();
        assert_eq!(error.kind, GpuErrorKind::Invalid, "{label}");
        assert!(error.message.contains("refused a command"), "{error}");
        stream.flush().unwrap();
    }
}

/// Blocks of the largest size until the device has no more; nothing is written to them. Run with `--ignored`: it asks for all memory that there is.
#[test]
#[ignore = "takes all memory of the device"]
fn what_does_not_fit_is_refused_with_its_size() {
    for (label, stream) in streams() {
        let most = stream.gpu().capabilities().binding_bytes.min(1 << 30) / 256 * 256;
        let mut blocks = Vec::new();
        let refused = loop {
            match stream.pool().take(most, &[]) {
                Ok(block) if blocks.len() < 1000 => blocks.push(block),
                Ok(_) => return eprintln!("{label} gives as much as it is asked for"),
                Err(error) => break error,
            }
        };
        println!("{label}: after {} blocks: {refused}", blocks.len());
        assert!(refused.kind == GpuErrorKind::Memory && refused.message.contains("has no memory for"), "{refused}");
        drop(blocks);
        assert!(stream.pool().take(most, &[]).is_ok(), "{label}");
    }
}
