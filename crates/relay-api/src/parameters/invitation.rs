//! `options` of `pm_createAccountInvitation`.

use proto::json::invitation::{MAX_SECONDS, MAX_USES};
use proto::json::{Excerpt, InvalidField};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{given, unknown};
use crate::parameter::{Parameter, invalid};

const DEFAULT_SECONDS: u64 = 3600;

/// The options of an invitation. Null means absent, for the object and for each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvitationOptions {
    /// Seconds from now; default 3600.
    #[schemars(with = "Option<u64>", range(min = 1, max = MAX_SECONDS))]
    pub valid_for_seconds: u64,
    /// Number of accounts; default 1.
    #[schemars(with = "Option<u32>", range(min = 1, max = MAX_USES))]
    pub max_uses: u32,
}

impl Parameter for InvitationOptions {
    const NAME: &'static str = "options";
    const IS_REQUIRED: bool = false;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        let mut options = Self { valid_for_seconds: DEFAULT_SECONDS, max_uses: 1 };
        for (key, value) in given(Self::NAME, sent)? {
            match key {
                "validForSeconds" => options.valid_for_seconds = up_to("options.validForSeconds", value, MAX_SECONDS)?,
                "maxUses" => {
                    let uses = up_to("options.maxUses", value, MAX_USES.into())?;
                    options.max_uses = uses.try_into().map_err(|error| invalid("options.maxUses", error))?;
                }
                _ => return Err(unknown(Self::NAME, key)),
            }
        }
        Ok(options)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<Self>>()
    }
}

/// A whole number from 1 to `most`.
fn up_to(name: &str, value: &Value, most: u64) -> Result<u64, InvalidField> {
    let fits = value.as_u64().filter(|number| (1..=most).contains(number));
    fits.ok_or_else(|| invalid(name, format!("expected 1 to {most}, found {}", Excerpt(&value.to_string()))))
}
