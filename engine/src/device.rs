//! Which device the engine computes on. Only this file opens one.

use std::sync::OnceLock;

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

impl DeviceChoice {
    /// What this program was built for.
    pub fn built_for() -> Self {
        if candle_core::utils::cuda_is_available() {
            Self::Cuda
        } else if candle_core::utils::metal_is_available() {
            Self::Metal
        } else {
            Self::Cpu
        }
    }

    /// This device, or the CPU with a line that says why if the program was built for a card that this
    /// machine lacks. A device that the program was not built for stays: [`open`] says what is missing.
    pub fn or_cpu(self) -> (Self, Option<String>) {
        if self == Self::Cpu || self != Self::built_for() {
            return (self, None);
        }
        match first(self) {
            Ok(_) => (self, None),
            Err(error) => {
                (Self::Cpu, Some(format!("no {self} device, going on with the CPU: {error}")))
            }
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        })
    }
}

impl std::str::FromStr for DeviceChoice {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Cpu, Self::Cuda, Self::Metal]
            .into_iter()
            .find(|choice| choice.to_string() == name)
            .ok_or_else(|| {
                EngineError::bad_input(
                    "device",
                    format!("there is no device {name:?}"),
                    "use cpu, cuda or metal",
                )
            })
    }
}

/// Opens the device, or says why it cannot be had. The same device every time: tensors of two
/// contexts on one card do not mix.
///
/// # Errors
/// [`EngineError::BadInput`] if the program was not built for it or the machine lacks it.
pub fn open(choice: DeviceChoice) -> Result<Device> {
    first(choice).map_err(|error| {
        EngineError::bad_input(
            "device",
            format!("{choice:?}: {error}"),
            "use --device cpu, or a build with that device's feature on a machine that has one",
        )
    })
}

/// The first device of a kind; else the first line of what its driver says.
fn first(choice: DeviceChoice) -> Result<Device, String> {
    static CUDA: OnceLock<Result<Device, String>> = OnceLock::new();
    static METAL: OnceLock<Result<Device, String>> = OnceLock::new();
    let line =
        |error: candle_core::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda => CUDA.get_or_init(|| first_card().map_err(line)).clone(),
        DeviceChoice::Metal => METAL.get_or_init(|| Device::new_metal(0).map_err(line)).clone(),
    }
}

/// One stream for all threads, so that a tensor made by one is there for the next; without the events
/// that streams would wait for, two for each tensor.
#[cfg(feature = "cuda")]
fn first_card() -> candle_core::Result<Device> {
    use candle_core::cuda::cudarc::driver::{result, sys};

    let device = Device::new_cuda_with_stream(0)?;
    if let Device::Cuda(card) = &device {
        let mut keep = u64::MAX;
        #[expect(unsafe_code, reason = "candle offers no other way")]
        // SAFETY: There is one stream, which no one makes a second of, so nothing has to be waited for.
        // The pool is the one of a device that was just opened, and the attribute is a u64.
        unsafe {
            card.disable_event_tracking();
            // Else every wait for a result hands all free memory back to the driver.
            let pool =
                result::device::get_default_mem_pool(card.cuda_stream().context().cu_device());
            let kept = pool.and_then(|pool| {
                let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
                result::mem_pool::set_attribute(pool, attribute, (&raw mut keep).cast())
            });
            if let Err(error) = kept {
                tracing::debug!("memory of the card is not kept: {error}");
            }
        }
    }
    Ok(device)
}

#[cfg(not(feature = "cuda"))]
fn first_card() -> candle_core::Result<Device> {
    Device::new_cuda(0)
}

/// The device of tests and benchmarks: the one that `SMALTI_DEVICE` names, else the CPU.
///
/// # Errors
/// [`EngineError::BadInput`] if it is not the name of a device.
pub fn choice_of_tests() -> Result<DeviceChoice> {
    std::env::var_os("SMALTI_DEVICE")
        .map_or(Ok(DeviceChoice::Cpu), |name| name.to_string_lossy().parse())
}

/// The device of [`choice_of_tests`], opened.
///
/// # Errors
/// As [`open`]: a test that asks for a card never runs without.
pub fn of_tests() -> Result<Device> {
    open(choice_of_tests()?)
}
