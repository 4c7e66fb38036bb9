//! PCI addresses and vendor ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::report::Vendor;

/// Where a card sits: `domain:bus:device.function`.
///
/// NVML writes the domain with 8 digits, Linux and Vulkan with 4, `lspci` leaves a zero domain out; all are read, and
/// written with at least 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// PCI domain (segment).
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device on the bus, below 32.
    pub device: u8,
    /// Function of the device, below 8.
    pub function: u8,
}

/// A text that is no PCI address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no PCI address; expected domain:bus:device.function in hexadecimal, such as 0000:01:00.0")]
pub struct PciAddressError(String);

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = PciAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).ok_or_else(|| PciAddressError(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (rest, device_function) = text.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let (device, function) = device_function.split_once('.')?;
    let address = PciAddress {
        domain: hex(domain, 8)?,
        bus: u8::try_from(hex(bus, 2)?).ok()?,
        device: u8::try_from(hex(device, 2)?).ok()?,
        function: u8::try_from(hex(function, 1)?).ok()?,
    };
    (address.device < 32 && address.function < 8).then_some(address)
}

/// Hexadecimal digits only: `from_str_radix` alone would take a sign.
fn hex(text: &str, max_digits: usize) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= max_digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

impl TryFrom<String> for PciAddress {
    type Error = PciAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

/// PCI vendor ids (the PCI ID repository), and Vulkan's own numbers above 16 bits (`VkVendorId`).
pub(super) mod vendor_id {
    pub(crate) const AMD: u32 = 0x1002;
    pub(crate) const APPLE: u32 = 0x106b;
    pub(crate) const ARM: u32 = 0x13b5;
    pub(crate) const INTEL: u32 = 0x8086;
    pub(crate) const MESA: u32 = 0x10005;
    pub(crate) const MICROSOFT: u32 = 0x1414;
    pub(crate) const NVIDIA: u32 = 0x10de;
    pub(crate) const QEMU: u32 = 0x1234;
    pub(crate) const QUALCOMM: u32 = 0x5143;
    pub(crate) const RED_HAT_QXL: u32 = 0x1b36;
    pub(crate) const RED_HAT_VIRTIO: u32 = 0x1af4;
    pub(crate) const VMWARE: u32 = 0x15ad;
    pub(crate) const VIRTUALBOX: u32 = 0x80ee;
}

/// The maker behind a vendor id.
pub(super) fn vendor_of(id: u32) -> Vendor {
    match id {
        vendor_id::NVIDIA => Vendor::Nvidia,
        vendor_id::AMD => Vendor::Amd,
        vendor_id::INTEL => Vendor::Intel,
        vendor_id::APPLE => Vendor::Apple,
        vendor_id::QUALCOMM => Vendor::Qualcomm,
        vendor_id::ARM => Vendor::Arm,
        vendor_id::MICROSOFT => Vendor::Microsoft,
        vendor_id::MESA => Vendor::Mesa,
        _ => Vendor::Other,
    }
}

/// Whether a PCI vendor makes display adapters for virtual machines only.
pub(super) fn is_virtual_vendor(id: u32) -> bool {
    use vendor_id::{MICROSOFT, QEMU, RED_HAT_QXL, RED_HAT_VIRTIO, VIRTUALBOX, VMWARE};
    [MICROSOFT, QEMU, RED_HAT_QXL, RED_HAT_VIRTIO, VIRTUALBOX, VMWARE].contains(&id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_writing_of_one_address_is_the_same_address() {
        let want = PciAddress { domain: 0, bus: 1, device: 0, function: 0 };
        for text in ["0000:01:00.0", "00000000:01:00.0", "01:00.0", "0000:01:00.0\n", "0:1:0.0"] {
            assert_eq!(text.parse::<PciAddress>().as_ref(), Ok(&want), "{text:?}");
        }
        assert_eq!("000F:0A:1f.7".parse::<PciAddress>().unwrap().to_string(), "000f:0a:1f.7");
        assert_eq!("00010000:03:00.0".parse::<PciAddress>().unwrap().to_string(), "10000:03:00.0");
    }

    #[test]
    fn rubbish_is_refused() {
        for text in [
            "",
            ":",
            "..",
            "0000:01:00",
            "0000:01:20.0",
            "0000:01:00.8",
            "+000:01:00.0",
            "0000:1zz:00.0",
            "a:b:c:d.e",
            "é:0:0.0",
        ] {
            assert!(text.parse::<PciAddress>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_address_survives_text_and_json(domain in any::<u32>(), bus in any::<u8>(), device in 0u8..32, function in 0u8..8) {
            let address = PciAddress { domain, bus, device, function };
            prop_assert_eq!(address.to_string().parse::<PciAddress>().unwrap(), address);
            let json = serde_json::to_string(&address).unwrap();
            prop_assert_eq!(serde_json::from_str::<PciAddress>(&json).unwrap(), address);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<PciAddress>();
        }
    }
}
