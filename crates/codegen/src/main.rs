//! Makes the committed code from `proto/`: messages with their checks, canonical JSON, gRPC
//! client and server, the descriptor set, and the OpenAPI document of the gateway.
//!
//! `cargo run -p codegen` writes; `cargo run -p codegen -- --check` writes nothing and exits
//! with 1 when a committed file is stale. No `protoc` is needed.

mod openapi;
mod rules;
mod rust;

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
    let check = std::env::args().nth(1).is_some_and(|flag| flag == "--check");
    match run(check) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "codegen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is, or is now, as it should be.
fn run(check: bool) -> Result<bool, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut fresh = true;
    for file in generate(&root.join("proto"))? {
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
