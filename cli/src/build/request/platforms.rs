//! `--platform`: what an image is built, pulled or run for. Pure.

use oci::Platform;
use oci::platform::PlatformError;

use crate::report::Problem;

/// All that the `--platform` flags name, each once, in their order.
pub fn several(values: &[String]) -> Result<Vec<Platform>, Problem> {
    let mut platforms = Vec::new();
    for text in values.iter().flat_map(|value| value.split(',')) {
        let platform = one(text)?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

/// One platform; `local` is this machine's.
pub fn one(text: &str) -> Result<Platform, Problem> {
    if text.eq_ignore_ascii_case("local") {
        return Ok(Platform::host());
    }
    text.parse().map_err(|error: PlatformError| {
        Problem::usage(format!("invalid platform: {error}")).hint("`--platform linux/amd64,linux/arm64`")
    })
}

/// The platform that was typed, or else this machine's.
pub fn or_host(typed: Option<&str>) -> Result<Platform, Problem> {
    typed.map_or_else(|| Ok(Platform::host()), one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_commas_are_one_list() {
        let said = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            several(&values)
                .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
                .map_err(|problem| problem.message)
        };
        assert_eq!(said(&[]), Ok(String::new()));
        assert_eq!(
            said(&["linux/amd64,aarch64", "linux/arm", "arm64"]),
            Ok("linux/amd64 linux/arm64 linux/arm/v7".to_owned())
        );
        assert_eq!(said(&["local"]), Ok(Platform::host().to_string()));
        assert!(said(&["linux/amd64,"]).is_err());
        assert!(said(&["amd46"]).unwrap_err().starts_with("invalid platform: `amd46` is not a platform"));
    }
}
