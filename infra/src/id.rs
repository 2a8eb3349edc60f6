//! Ids as the world sees them: a prefix that names the thing and the UUID (version 7) of its row: a `TypeID`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use type_safe_id::TypeSafeId;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

pub use type_safe_id::StaticType;

/// The kind of thing an id names; it fixes the prefix.
pub trait Tag: StaticType + Copy + Eq + Ord + 'static {
    /// The name of the id's schema in the OpenAPI document.
    const SCHEMA: &'static str;
}

/// A TypeID such as `pay_01h2xcejqtf2nbrexx3vqjhp41`, sortable by the time it was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id<T>(TypeSafeId<T>);

/// A string that is no id of the expected kind. It says no more: an unknown id and a foreign one look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

impl<T: Tag> Id<T> {
    /// A fresh id, later in order than every id made before this millisecond.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// The id of the row with this UUID.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(TypeSafeId::from_uuid(uuid))
    }

    /// The UUID that the database holds.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.0.uuid()
    }
}

impl<T: Tag> From<Uuid> for Id<T> {
    fn from(uuid: Uuid) -> Self {
        Self::from_uuid(uuid)
    }
}

impl<T: Tag> fmt::Display for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl<T: Tag> fmt::Debug for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl<T: Tag> FromStr for Id<T> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.parse().map(Self).map_err(|_| NotAnId)
    }
}

impl<T: Tag> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

impl<'de, T: Tag> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl<T: Tag> PartialSchema for Id<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", T::TYPE)))
            .examples([format!("{}_01h2xcejqtf2nbrexx3vqjhp41", T::TYPE)])
            .build()
            .into()
    }
}

impl<T: Tag> ToSchema for Id<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        T::SCHEMA.into()
    }
}

/// Declares the ids of a crate: for each a tag and the [`Id`] that bears its prefix.
#[macro_export]
macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident, $tag:ident, $prefix:literal;)*) => {$(
        #[doc = concat!("The tag of ids that start with `", $prefix, "_`.")]
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $tag;

        impl $crate::id::StaticType for $tag {
            const TYPE: &'static str = $prefix;
        }

        impl $crate::id::Tag for $tag {
            const SCHEMA: &'static str = stringify!($id);
        }

        $(#[$doc])*
        pub type $id = $crate::id::Id<$tag>;
    )*};
}

ids! {
    /// A merchant: the one id that every crate knows, since everything that costs or holds money belongs to an account.
    AccountId, Account, "acct";
}
