//! Makes the committed code from `proto/`: messages with their checks, canonical JSON, gRPC
//! client and server, the descriptor set, and the OpenAPI document of the gateway; and from
//! `sql/`: the crate of typed queries.
//!
//! `codegen URL` writes, where URL is that of a Postgres in which it may make a database for a
//! moment (`just generate` starts one); with `--check` it writes nothing and exits with 1 when a
//! committed file is stale. No `protoc` is needed.

mod openapi;
mod rules;
mod rust;
mod sql;

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use prost_reflect::DescriptorPool;

/// A file that is generated, and what it should say.
struct Generated {
    path: PathBuf,
    content: Vec<u8>,
}

fn main() -> ExitCode {
    let (flags, urls): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word == "--check");
    let [url] = &urls[..] else {
        let _ = writeln!(
            std::io::stderr().lock(),
            "usage: codegen [--check] POSTGRES_URL (see `just generate`)"
        );
        return ExitCode::from(2);
    };
    match run(!flags.is_empty(), url) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "codegen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is, or is now, as it should be.
fn run(check: bool, url: &str) -> Result<bool, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut fresh = true;
    let files = generate(&root.join("proto"))?
        .into_iter()
        .chain(sql::generate(&root, url)?);
    for file in files {
        let path = root.join(&file.path);
        if fs::read(&path).is_ok_and(|committed| committed == file.content) {
            continue;
        }
        if check {
            fresh = false;
            writeln!(
                std::io::stderr().lock(),
                "{} is stale: run `just generate`",
                file.path.display()
            )?;
        } else {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, file.content)?;
        }
    }
    Ok(fresh)
}

fn generate(proto: &Path) -> Result<Vec<Generated>, Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([proto])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_file("loms/v1/loms.proto")?;
    let pool: DescriptorPool = compiler.descriptor_pool();
    let service = pool
        .get_service_by_name("loms.v1.Loms")
        .ok_or("no service loms.v1.Loms")?;
    let rules = rules::read(&pool, &service)?;
    let code = Path::new("crates/adapters/src/grpc/generated");
    let descriptor = compiler.include_source_info(false).encode_file_descriptor_set();
    Ok(vec![
        Generated {
            path: code.join("loms.v1.rs"),
            content: rust::messages(&compiler.file_descriptor_set(), &rules)?,
        },
        Generated {
            path: code.join("loms.v1.serde.rs"),
            content: rust::json(&descriptor)?,
        },
        Generated {
            path: code.join("loms_descriptor.bin"),
            content: descriptor,
        },
        Generated {
            path: Path::new("crates/app/src/http/openapi/loms.json").to_owned(),
            content: openapi::document(&service, &rules)?,
        },
    ])
}
