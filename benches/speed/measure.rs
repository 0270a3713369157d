//! What a run of a program costs: time from start to end, CPU, peak memory, instructions.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// No row takes longer than this, if it has ten pairs.
const PATIENCE: Duration = Duration::from_secs(3);
const PAIRS: usize = 300;

/// A program as a client would run it, again and again.
#[derive(Clone)]
pub struct Call {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(String, OsString)>,
    /// What it reads on stdin.
    pub input: PathBuf,
    /// A folder that is emptied before each run: what keyfob notes of a kubectl, so that each run is a kubectl's first.
    pub forgets: Option<PathBuf>,
}

/// What one run took.
#[derive(Clone, Copy)]
pub struct Cost {
    pub wall: Duration,
    /// User and system time of the program and the children it waited for.
    pub cpu: Duration,
}

/// What a program costs beside another, each the median over pairs of runs that took turns.
pub struct Compared {
    pub cost: Cost,
    pub wall_ratio: f64,
    pub cpu_ratio: f64,
}

impl Call {
    pub fn new(program: impl Into<PathBuf>, args: &[&str], input: &Path) -> Self {
        let args = args.iter().map(OsString::from).collect();
        Self { program: program.into(), args, env: Vec::new(), input: input.to_owned(), forgets: None }
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The command, with nothing of the caller's environment but the PATH.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        self.set_up(&mut command);
        command
    }

    fn set_up(&self, command: &mut Command) {
        let noted = self.forgets.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        for file in noted.into_iter().flatten().flatten() {
            let _ = fs::remove_file(file.path());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).envs(self.env.iter().map(|(name, value)| (name, value)));
        let input = File::open(&self.input).expect("the input is there");
        command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    }

    /// What it prints; nothing where it fails.
    pub fn answer(&self) -> String {
        let output = self.command().stdout(Stdio::piped()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    pub fn run(&self) -> Cost {
        let mut command = self.command();
        let before = cpu(&children());
        let began = Instant::now();
        command.status().expect("it starts");
        let wall = began.elapsed();
        Cost { wall, cpu: cpu(&children()).saturating_sub(before) }
    }

    /// Peak memory in KiB, of the largest process of its tree. A child's figure begins with that of whoever starts it, so
    /// a small process does: this program, called again.
    pub fn peak(&self) -> Option<u64> {
        let mut command = Command::new(std::env::current_exe().ok()?);
        command.arg("--peak-of").arg(&self.program).args(&self.args);
        self.set_up(&mut command);
        let output = command.stdout(Stdio::piped()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    }

    /// User-space instructions, where valgrind is there.
    pub fn instructions(&self) -> Option<u64> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&self.program).args(&self.args);
        self.set_up(&mut command);
        let output = command.stderr(Stdio::piped()).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
    }
}

/// Runs both in turn, the order changing with each pair.
pub fn compare(call: &Call, reference: &Call) -> Compared {
    let (mut costs, mut walls, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    let began = Instant::now();
    while costs.len() < PAIRS && (costs.len() < 10 || began.elapsed() < PATIENCE) {
        let (cost, other) = if costs.len() % 2 == 0 {
            let other = reference.run();
            (call.run(), other)
        } else {
            (call.run(), reference.run())
        };
        walls.push(cost.wall.as_secs_f64() / other.wall.as_secs_f64());
        cpus.push(cost.cpu.as_secs_f64() / other.cpu.as_secs_f64().max(f64::EPSILON));
        costs.push(cost);
    }
    let cost =
        Cost { wall: median(costs.iter().map(|cost| cost.wall)), cpu: median(costs.iter().map(|cost| cost.cpu)) };
    Compared { cost, wall_ratio: median(walls), cpu_ratio: median(cpus) }
}

/// Runs the rest of the command line and prints the peak memory of what ran.
pub fn print_peak_of(words: &[OsString]) {
    let _ = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    println!("{}", children().max_rss());
}

pub fn median<T: PartialOrd + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|one, other| one.partial_cmp(other).expect("times are numbers"));
    values[values.len() / 2]
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn children() -> Usage {
    getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is always known")
}

fn cpu(usage: &Usage) -> Duration {
    let time = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default())
    };
    time(usage.user_time()) + time(usage.system_time())
}
