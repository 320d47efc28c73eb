//! The command line. Flags are the topmost layer of the settings: what they say is checked
//! together with the other layers, so that all problems are reported at once.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(any(feature = "loms", feature = "notifier"))]
use crate::commands;
use crate::config::{self, Flag, Given, Problems, Settings};
use crate::healthcheck;

/// The exit code for wrong usage and wrong settings.
const EXIT_USAGE: u8 = 2;

/// The order system of a web shop: one binary that plays one role or all of them.
#[derive(Debug, Parser)]
#[command(name = "app", version, about, long_about = None)]
struct Cli {
    /// The role to play: products, cart, loms, notifier, or all
    #[arg(long, global = true)]
    role: Option<String>,
    /// A TOML file of settings
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look: json or pretty
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// A JSON file of products instead of the built-in catalogue
    #[arg(long, global = true, value_name = "FILE")]
    catalogue: Option<String>,
    /// A JSON file of stock instead of the built-in one
    #[arg(long, global = true, value_name = "FILE")]
    stock: Option<String>,
    /// Any setting, as in --set cart.http.port=8080; may be repeated
    #[arg(long, global = true, value_name = "SETTING=VALUE")]
    set: Vec<String>,
    /// Print the settings as TOML, secrets hidden, and end
    #[arg(long)]
    print_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask a running role whether it is ready; exit code 0 if so, else 1
    Healthcheck,
    /// What an operator does with the ledger and the topics.
    #[cfg(any(feature = "loms", feature = "notifier"))]
    #[command(flatten)]
    Operate(commands::Command),
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// To run with these settings.
    Run(Box<Settings>),
    /// Nothing more: it was done, or refused, and said so.
    Done(ExitCode),
}

/// Reads the command line, the settings file and the environment, and does what is done at once
/// (help, `--print-config`, commands).
pub fn ask(arguments: impl IntoIterator<Item = OsString>) -> Asked {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output; nobody is left to be told if that is closed.
            let _ = error.print();
            return Asked::Done(u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from));
        }
    };
    let settings = config::environment().and_then(|environment| load(&cli, environment));
    match settings {
        Err(problems) => {
            let _ = write!(std::io::stderr().lock(), "{problems}");
            Asked::Done(ExitCode::from(EXIT_USAGE))
        }
        Ok(settings) if cli.print_config => Asked::Done(print(&settings.to_toml())),
        Ok(settings) => match cli.command {
            Some(Command::Healthcheck) => Asked::Done(check(&settings)),
            #[cfg(any(feature = "loms", feature = "notifier"))]
            Some(Command::Operate(command)) => Asked::Done(commands::run(command, &settings)),
            None => Asked::Run(Box::new(settings)),
        },
    }
}

fn load(cli: &Cli, environment: std::collections::BTreeMap<String, String>) -> Result<Settings, Problems> {
    config::load(&Given {
        file: cli.config.clone(),
        environment,
        flags: flags(cli),
    })
}

/// The flags as settings, `--set` last.
fn flags(cli: &Cli) -> Vec<Flag> {
    let named = [
        ("--role", "role", &cli.role),
        ("--log-format", "log.format", &cli.log_format),
        ("--catalogue", "products.catalogue_file", &cli.catalogue),
        ("--stock", "loms.stock_file", &cli.stock),
    ];
    let named = named.into_iter().filter_map(|(written, key, value)| {
        let value = value.clone()?;
        Some(Flag {
            written: written.to_owned(),
            key: key.to_owned(),
            value,
        })
    });
    let set = cli.set.iter().map(|text| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        Flag {
            written: "--set".to_owned(),
            key: key.trim().to_owned(),
            value: value.to_owned(),
        }
    });
    named.chain(set).collect()
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn check(settings: &Settings) -> ExitCode {
    match healthcheck::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "app: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("app").chain(arguments.iter().copied())).unwrap()
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_settings_and_set_comes_last() {
        let cli = parse(&[
            "--set",
            "role=loms",
            "--role",
            "cart",
            "--set",
            "a.b=c=d",
            "--set",
            "alone",
        ]);
        let seen: Vec<_> = flags(&cli)
            .into_iter()
            .map(|flag| (flag.written, flag.key, flag.value))
            .collect();
        let expected = [
            ("--role", "role", "cart"),
            ("--set", "role", "loms"),
            ("--set", "a.b", "c=d"),
            ("--set", "alone", ""),
        ];
        assert_eq!(
            seen,
            expected.map(|(w, k, v)| (w.to_owned(), k.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn the_healthcheck_takes_the_same_flags() {
        let cli = parse(&["healthcheck", "--role", "cart"]);
        assert!(matches!(cli.command, Some(Command::Healthcheck)));
        assert_eq!(cli.role.as_deref(), Some("cart"));
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        let asked = ask(["app", "--no-such-flag"].map(OsString::from));
        assert!(matches!(asked, Asked::Done(code) if code == ExitCode::from(2)));
    }
}
