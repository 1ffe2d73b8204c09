//! One test for each version of the EntryPoint.

/// Turns `async fn rule(version: EntryPointVersion)` into the tests `rule::v06` to `rule::v09`.
macro_rules! on_every_version {
    ($($rule:ident),+ $(,)?) => {
        $(on_versions! { $rule: v06 V06, v07 V07, v08 V08, v09 V09 })+
    };
}

/// The same for some versions.
macro_rules! on_versions {
    ($rule:ident: $($name:ident $version:ident),+) => {
        mod $rule {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$rule(devkit::EntryPointVersion::$version).await;
                }
            )+
        }
    };
}
