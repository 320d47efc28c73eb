//! The roles that this build can play. Each is a cargo feature; `all` needs the four of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A role of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The stand-in for the external product service.
    #[cfg(feature = "products")]
    Products,
    /// Carts and checkout.
    #[cfg(feature = "cart")]
    Cart,
    /// Orders and stocks.
    #[cfg(feature = "loms")]
    Loms,
    /// Passes order events on.
    #[cfg(feature = "notifier")]
    Notifier,
    /// The whole shop in one process.
    #[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
    All,
}

/// Every role there is, built or not.
const NAMES: [&str; 5] = ["products", "cart", "loms", "notifier", "all"];

/// Why a text names no role of this build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// No such role.
    #[error("there is no role {0:?}")]
    Unknown(String),
    /// It was left out of this build.
    #[error("this build leaves the role {role:?} out; build with: cargo build {flags}")]
    NotBuilt {
        /// The role.
        role: &'static str,
        /// What cargo has to be told.
        flags: String,
    },
}

impl Role {
    /// The role of this name in this build.
    ///
    /// # Errors
    /// [`RoleError`] for any other text, with what to do.
    pub fn parse(name: &str) -> Result<Self, RoleError> {
        match name {
            #[cfg(feature = "products")]
            "products" => Ok(Self::Products),
            #[cfg(feature = "cart")]
            "cart" => Ok(Self::Cart),
            #[cfg(feature = "loms")]
            "loms" => Ok(Self::Loms),
            #[cfg(feature = "notifier")]
            "notifier" => Ok(Self::Notifier),
            #[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
            "all" => Ok(Self::All),
            other => Err(not_built(other)),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "products")]
            Self::Products => "products",
            #[cfg(feature = "cart")]
            Self::Cart => "cart",
            #[cfg(feature = "loms")]
            Self::Loms => "loms",
            #[cfg(feature = "notifier")]
            Self::Notifier => "notifier",
            #[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
            Self::All => "all",
        }
    }

    /// The roles of this build.
    #[must_use]
    pub fn built() -> Vec<Self> {
        NAMES.iter().filter_map(|name| Self::parse(name).ok()).collect()
    }

    /// What this build plays when nobody says: everything, or the only role it has.
    #[must_use]
    pub fn of_build() -> Option<Self> {
        let built = Self::built();
        Self::parse("all").ok().or_else(|| (built.len() == 1).then(|| built[0]))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn not_built(name: &str) -> RoleError {
    let Some(role) = NAMES.into_iter().find(|known| *known == name) else {
        return RoleError::Unknown(name.to_owned());
    };
    let features = if role == "all" {
        NAMES[..4].join(",")
    } else {
        role.to_owned()
    };
    RoleError::NotBuilt {
        role,
        flags: format!("--no-default-features --features {features}"),
    }
}

/// The setting `role`: a role of this build, or nothing where the build leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleChoice(pub Option<Role>);

impl Default for RoleChoice {
    fn default() -> Self {
        Self(Role::of_build())
    }
}

impl TryFrom<String> for RoleChoice {
    type Error = RoleError;

    fn try_from(name: String) -> Result<Self, RoleError> {
        if name.is_empty() {
            Ok(Self::default())
        } else {
            Role::parse(&name).map(|role| Self(Some(role)))
        }
    }
}

impl From<RoleChoice> for String {
    fn from(choice: RoleChoice) -> Self {
        choice.0.map_or("", Role::name).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_role_has_its_name() {
        assert!(!Role::built().is_empty(), "a build has a role");
        for role in Role::built() {
            assert_eq!(Role::parse(role.name()), Ok(role));
        }
    }

    #[test]
    fn the_default_is_all_or_the_only_one() {
        match Role::built().len() {
            1 => assert_eq!(Role::of_build(), Some(Role::built()[0])),
            5 => assert_eq!(Role::of_build().map(Role::name), Some("all")),
            _ => assert_eq!(Role::of_build(), None),
        }
    }

    #[test]
    fn a_role_that_was_left_out_names_its_feature() {
        assert_eq!(
            not_built("cart").to_string(),
            "this build leaves the role \"cart\" out; build with: cargo build --no-default-features --features cart"
        );
        assert!(
            not_built("all")
                .to_string()
                .ends_with("--features products,cart,loms,notifier")
        );
        assert_eq!(not_built("chef"), RoleError::Unknown("chef".to_owned()));
    }
}
