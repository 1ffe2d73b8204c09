//! The fields in docs/protocol.md, section 6.3, are those of the types that cross the wire.

use syn::{Fields, GenericArgument, Item, PathArguments, Type};

use super::markdown::table;
use super::project;

const PAGE: &str = "docs/protocol.md";
const HEADING: &str = "### 6.3. Fields";
const COMMANDS: &str = "crates/proto/src/command";

#[test]
fn the_fields_of_payloads_are_those_of_the_code() {
    let own =
        ["info", "account", "sponsorship", "admin", "batch", "attest"].map(|name| format!("{COMMANDS}/{name}.rs"));
    let shared =
        ["entry_point", "user_operation", "paymaster", "signers"].map(|name| format!("crates/proto/src/{name}.rs"));
    let rows: Vec<Vec<String>> = own.iter().chain(&shared).flat_map(|path| structs(path)).collect();
    let wanted: Vec<_> = rows.iter().map(|row| format!("| `{}` | {} |", row[0], row[1])).collect();
    let shown = table(&project::read(PAGE), HEADING);
    assert!(shown == rows, "{PAGE} should have:\n{}", wanted.join("\n"));
}

#[test]
fn the_replies_are_those_of_the_code() {
    let source = project::read(&format!("{COMMANDS}/mod.rs"));
    let list = source.split_once("\nrequests! {").unwrap().1.split_once("\n}").unwrap().0;
    let pairs = list.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" => "));
    let mut rows: Vec<_> = pairs.map(|(request, reply)| (request.to_owned(), reply.replace("()", "nothing"))).collect();
    let page = project::read(PAGE);
    let mut shown: Vec<_> =
        table(&page, "### 6.1. Opcodes").iter().map(|row| (row[1].clone(), row[4].clone())).collect();
    rows.sort();
    shown.sort();
    assert_eq!(shown, rows);
}

/// Name and fields of every public struct of a file.
fn structs(path: &str) -> Vec<Vec<String>> {
    let items = syn::parse_file(&project::read(path)).unwrap().items.into_iter();
    items
        .filter_map(|item| match item {
            Item::Struct(item) if matches!(item.vis, syn::Visibility::Public(_)) => {
                let fields = match &item.fields {
                    Fields::Named(named) => named.named.iter().map(field).collect::<Vec<_>>().join(", "),
                    Fields::Unit => "none".to_owned(),
                    // Written as the value in it: the first table of the section has it.
                    Fields::Unnamed(_) => return None,
                };
                Some(vec![item.ident.to_string(), fields])
            }
            _ => None,
        })
        .collect()
}

fn field(field: &syn::Field) -> String {
    format!("{}: {}", field.ident.as_ref().unwrap(), plain(&field.ty))
}

/// The type as the page has it: `bytes`, `text`, `list of T`, `T?`, or its own name.
fn plain(given: &Type) -> String {
    let Type::Path(path) = given else {
        // The only arrays are words.
        return "[u8; 32]".to_owned();
    };
    let last = path.path.segments.last().unwrap();
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(inner) => Some(plain(inner)),
            _ => None,
        }),
        _ => None,
    };
    match (last.ident.to_string().as_str(), inner) {
        ("BoundedBytes" | "CallData" | "FactoryData" | "PaymasterData" | "CredentialId", _) => "bytes".to_owned(),
        ("Bounded", _) => "text".to_owned(),
        ("BoundedList", Some(inner)) => format!("list of {inner}"),
        ("Option", Some(inner)) => format!("{inner}?"),
        (name, _) => name.to_owned(),
    }
}
