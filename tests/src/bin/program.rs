//! The program `cityos` under a name that is built together with the tests that start it.

fn main() -> std::process::ExitCode {
    cityos_gateway::cli::main()
}
