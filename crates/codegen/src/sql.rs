//! The crate of the SQL queries: cornucopia checks `sql/queries` against the migrations on a real
//! Postgres and writes a typed function for each. Its manifest is ours, so that it takes part in
//! the workspace's versions and lints.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cornucopia::config::{Config, TypeMapping, Types};

use crate::Generated;

/// Where the crate stands.
const HOME: &str = "crates/adapters/generated";

const MANIFEST: &str = r#"# Made by `just generate` from sql/. Do not edit.

[package]
name = "sql"
description = "The queries of sql/queries as typed functions"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lints]
workspace = true

[features]
default = ["deadpool"]
deadpool = ["dep:deadpool-postgres"]

[dependencies]
deadpool-postgres = { workspace = true, optional = true }
futures.workspace = true
postgres-protocol.workspace = true
postgres-types.workspace = true
time.workspace = true
tokio-postgres.workspace = true
"#;

const HEAD: &str = "//! The queries of `sql/queries` as typed functions. Made by `just generate`; do not edit.
#![allow(missing_docs, unreachable_pub, unexpected_cfgs, clippy::all)]

";

/// Generates the crate in a database of its own on the server at `url`.
pub(crate) fn generate(root: &Path, url: &str) -> Result<Vec<Generated>, Box<dyn Error>> {
    let made = tempfile::tempdir()?;
    let mut types = Types::default();
    types.mapping.insert(
        "pg_catalog.timestamptz".to_owned(),
        TypeMapping::Simple("time::OffsetDateTime".to_owned()),
    );
    let config = Config::builder()
        .queries(root.join("sql/queries"))
        .destination(made.path())
        .name("sql")
        .types(types)
        .build();
    let database = format!("codegen_{}", std::process::id());
    cornucopia::gen_fresh(url, &database, &schema(root)?, None, false, config).map_err(|error| error.report())?;
    let library = made.path().join("src/lib.rs");
    let text = fs::read_to_string(&library)?;
    fs::write(&library, format!("{HEAD}{text}"))?;
    format(root, &library)?;
    let mut files = Vec::new();
    collect(made.path(), &made.path().join("src"), &mut files)?;
    files.push(Generated {
        path: Path::new(HOME).join("Cargo.toml"),
        content: MANIFEST.into(),
    });
    Ok(files)
}

/// The migrations in their order, then what exists only while a command runs.
fn schema(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut numbered = Vec::new();
    for entry in fs::read_dir(root.join("sql/migrations"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number: u32 = name
            .strip_prefix('V')
            .and_then(|rest| rest.split_once("__"))
            .ok_or_else(|| format!("{name}: a migration is named V1__what.sql"))?
            .0
            .parse()?;
        numbered.push((number, path));
    }
    numbered.sort();
    let mut temporary = fs::read_dir(root.join("sql/temporary"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    temporary.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).chain(temporary).collect())
}

fn format(root: &Path, library: &Path) -> Result<(), Box<dyn Error>> {
    let formatted = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .arg(library)
        .status()?;
    if formatted.success() {
        Ok(())
    } else {
        Err("rustfmt refuses the generated code".into())
    }
}

fn collect(top: &Path, folder: &Path, files: &mut Vec<Generated>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(top, &path, files)?;
        } else {
            files.push(Generated {
                path: Path::new(HOME).join(path.strip_prefix(top)?),
                content: fs::read(&path)?,
            });
        }
    }
    Ok(())
}
