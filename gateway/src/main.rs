//! The program `cityos`: the server, and the tool of whoever runs it.

fn main() -> std::process::ExitCode {
    cityos_gateway::cli::main()
}
