//! The names under which clients look for a helper, one a line: what a package has as links to keyfob.
#![expect(clippy::print_stdout, reason = "they are for scripts")]

fn main() {
    for name in keyfob::links() {
        println!("{name}");
    }
}
