//! Which device the engine computes on. Only this file opens one.

use candle_core::Device;

use crate::{EngineError, Result};

/// A device by name, as on the command line.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The processor: always there.
    #[default]
    Cpu,
    /// The first NVIDIA card; needs the feature `cuda`.
    Cuda,
    /// Apple's GPU; needs the feature `metal`.
    Metal,
}

impl std::str::FromStr for DeviceChoice {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            "metal" => Ok(Self::Metal),
            _ => Err(EngineError::bad_input(
                "device",
                format!("there is no device {name:?}"),
                "use cpu, cuda or metal",
            )),
        }
    }
}

/// Opens the device, or says why it cannot be had.
pub fn open(choice: DeviceChoice) -> Result<Device> {
    let unavailable = |error: candle_core::Error| {
        EngineError::bad_input(
            "device",
            format!("{choice:?}: {}", error.to_string().lines().next().unwrap_or_default()),
            "use --device cpu, or a build with that device's feature on a machine that has one",
        )
    };
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda => Device::new_cuda(0).map_err(unavailable),
        DeviceChoice::Metal => Device::new_metal(0).map_err(unavailable),
    }
}
