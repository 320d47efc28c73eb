//! One declaration a setting: its name, type, default, allowed values and what it is for stand
//! together, and become the struct, its checks, and its row in `docs/configuration.md`.

/// How the value of a setting is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// As it is.
    Plain,
    /// Not at all.
    Hidden,
    /// But for the password in it.
    WithoutPassword,
}

impl Shown {
    /// How a value of this type is shown.
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "Secret" => Self::Hidden,
            "DatabaseUrl" => Self::WithoutPassword,
            _ => Self::Plain,
        }
    }
}

/// A setting as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its dotted name.
    pub key: String,
    /// What it may be, in words.
    pub allowed: &'static str,
    /// What it is for.
    pub about: String,
    /// How its value is shown.
    pub shown: Shown,
}

/// A group of settings that can list itself.
pub trait Describe {
    /// Adds the settings of this group, whose names begin with `prefix`.
    fn describe(prefix: &str, rows: &mut Vec<Described>);
}

/// The dotted name of a member of a group.
pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

/// The lines of a doc comment as one.
pub(super) fn about(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Declares a group: `name: Type = default, "allowed", (garde rule)`, with `=> accessor from_unit`
/// where a number stands for a time; then the groups inside it.
macro_rules! settings {
    (
        $(#[doc = $story:literal])+
        $group:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $kind:ty = $default:expr, $allowed:literal, ($($rule:tt)+)
                $(=> $accessor:ident $from:ident)?;
            )*
        }
        groups {
            $(
                $(#[doc = $inner_doc:literal])+
                $inner:ident: $inner_kind:ty = $inner_default:expr;
            )*
        }
    ) => {
        $(#[doc = $story])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, garde::Validate)]
        #[serde(deny_unknown_fields)]
        pub struct $group {
            $(
                $(#[doc = $doc])+
                #[garde($($rule)+)]
                pub $field: $kind,
            )*
            $(
                $(#[doc = $inner_doc])+
                #[garde(dive)]
                pub $inner: $inner_kind,
            )*
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $($field: $default,)* $($inner: $inner_default,)* }
            }
        }

        impl $group {
            $($(
                #[doc = concat!("`", stringify!($field), "` as a duration.")]
                #[must_use]
                pub const fn $accessor(&self) -> std::time::Duration {
                    std::time::Duration::$from(self.$field)
                }
            )?)*
        }

        impl $crate::config::describe::Describe for $group {
            fn describe(prefix: &str, rows: &mut Vec<$crate::config::describe::Described>) {
                $(
                    rows.push($crate::config::describe::Described {
                        key: $crate::config::describe::join(prefix, stringify!($field)),
                        allowed: $allowed,
                        about: $crate::config::describe::about(&[$($doc),+]),
                        shown: $crate::config::describe::Shown::of(stringify!($kind)),
                    });
                )*
                $(
                    <$inner_kind>::describe(&$crate::config::describe::join(prefix, stringify!($inner)), rows);
                )*
                let _ = (prefix, rows);
            }
        }
    };
}

pub(super) use settings;
