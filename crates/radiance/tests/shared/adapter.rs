//! The adapter that tests of a GPU run on.

use monotile::Device;

/// The preferred adapter; none where there is none, which is said, or refused if `MONOTILE_REQUIRE_GPU` is 1.
pub fn gpu() -> Option<Device> {
    let required = std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1");
    let device = Device::open("gpu");
    if let Err(error) = &device {
        assert!(!required, "{error}");
        println!("skipped: {error}");
    }
    device.ok()
}
