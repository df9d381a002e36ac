//! The value of `RUN --device`: a CDI name, and whether the device must be there.

use crate::instruction::fields;
use crate::instruction::mount::boolean;
use crate::nearest::nearest;
use crate::text::Text;

/// One `--device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub name: Text,
    pub required: bool,
}

/// What is wrong with a `--device`; `subject` is the part of its text that is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeviceError {
    pub message: String,
    pub subject: String,
    pub hint: Option<String>,
}

/// Reads the value of one `--device`. The first field that is no option is its name.
pub fn parse(value: &str) -> Result<Device, DeviceError> {
    let refuse = |subject: &str, message: String, hint: Option<String>| {
        Err(DeviceError { message, subject: subject.to_owned(), hint })
    };
    let Ok(fields) = fields::split(value) else {
        return refuse(value, "the options of a device are empty, or their quotes are wrong".into(), None);
    };
    let mut name: Option<String> = None;
    let mut required = false;
    for field in fields {
        let (key, option) = match field.split_once('=') {
            Some((key, option)) => (key.to_lowercase(), Some(option)),
            None => (field.to_lowercase(), None),
        };
        match (key.as_str(), option) {
            ("required", None) => required = true,
            ("required", Some(option)) => match boolean(option) {
                Some(value) => required = value,
                None => return refuse(&field, format!("`required` of a device cannot be `{option}`"), None),
            },
            ("name", Some(option)) => match &name {
                None => name = Some(option.to_owned()),
                Some(first) if first.is_empty() => name = Some(option.to_owned()),
                Some(first) => return refuse(&field, format!("the device is already named `{first}`"), None),
            },
            _ if name.as_ref().is_none_or(String::is_empty) => name = Some(field),
            _ => {
                let hint = nearest(&key, ["name", "required"]).map(|meant| format!("did you mean `{meant}`?"));
                return refuse(&field, format!("a device has no option `{key}`"), hint);
            }
        }
    }
    Ok(Device { name: name.unwrap_or_default().into(), required })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        let read = |value| parse(value).map(|d| (d.name.to_string(), d.required)).map_err(|e| e.message);
        assert_eq!(read("vendor.com/gpu=all"), Ok(("vendor.com/gpu=all".into(), false)));
        assert_eq!(read("name=a,required"), Ok(("a".into(), true)));
        assert_eq!(read("a,required=false"), Ok(("a".into(), false)));
        assert_eq!(read("a,name=b"), Err("the device is already named `a`".into()));
        assert_eq!(read("a,b"), Err("a device has no option `b`".into()));
    }
}
