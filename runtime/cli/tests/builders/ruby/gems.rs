//! Gems of this machine: laid out in an app's folder as `bundle install` does it, locked, or offered by a source.
//!
//! Must not know the apps.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::app_folder::App;

/// Prints the folder, the specification and the version of a gem.
const FIND: &str = "gem = Gem::Specification.find_by_name(ARGV[0])
puts gem.full_gem_path, gem.loaded_from, gem.version";

/// The specification of the gem that `rack_source` offers, under a version that no machine has.
const OFFERED: &str = "Gem::Specification.new do |s|
  s.name = 'rack'
  s.version = '2.2.999'
  s.summary = 'Rack'
  s.authors = ['none']
  s.files = Dir['lib/**/*.rb']
end
";

/// The folder, the specification and the version of this machine's Rack.
fn find_rack() -> (String, String, String) {
    let output = Command::new("ruby")
        .args(["-e", FIND, "rack"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let mut lines = told.lines().map(str::to_owned);
    let mut next = || {
        lines
            .next()
            .expect("the gem `rack`, which `./test --setup` installs")
    };
    (next(), next(), next())
}

/// Copies the gem `rack` of this machine to `vendor/bundle`, and writes the lockfile that names it and `others`: lines of
/// its part `specs`.
pub(crate) fn vendor_rack(app: &App, others: &str) {
    let (folder, specification, version) = find_rack();
    let home = app.path("vendor/bundle/ruby/3.1.0");
    copy(
        Path::new(&folder),
        &home.join("gems").join(format!("rack-{version}")),
    );
    let specifications = home.join("specifications");
    fs::create_dir_all(&specifications).unwrap();
    fs::copy(
        &specification,
        specifications.join(format!("rack-{version}.gemspec")),
    )
    .unwrap();
    app.write(
        "Gemfile.lock",
        &format!("GEM\n  specs:\n{others}    rack ({version})\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  rack\n"),
    );
}

/// Writes a gem with one file of Ruby to `vendor/bundle`. `attributes` are further lines of its specification.
pub(crate) fn vendor_gem(app: &App, name: &str, version: &str, file: &str, attributes: &str) {
    let home = "vendor/bundle/ruby/3.1.0";
    app.write(&format!("{home}/gems/{name}-{version}/lib/{name}.rb"), file);
    let specification = format!(
        "Gem::Specification.new do |s|\n  s.name = \"{name}\".freeze\n  s.version = \"{version}\"\n  \
         s.require_paths = [\"lib\".freeze]\n{attributes}end\n"
    );
    app.write(
        &format!("{home}/specifications/{name}-{version}.gemspec"),
        &specification,
    );
}

/// A folder that is a source of gems, with this machine's Rack as version 2.2.999.
pub(crate) fn rack_source() -> TempDir {
    let source = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (build, offered) = (source.path().join("build"), source.path().join("gems"));
    let (folder, _, _) = find_rack();
    copy(Path::new(&folder), &build);
    fs::write(build.join("rack.gemspec"), OFFERED).unwrap();
    fs::create_dir(&offered).unwrap();
    let gem = |place: &Path, words: &[&str]| {
        let output = Command::new("gem")
            .args(words)
            .current_dir(place)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    gem(
        &build,
        &["build", "rack.gemspec", "-o", "../gems/rack-2.2.999.gem"],
    );
    gem(source.path(), &["generate_index"]);
    source
}

/// Writes the lockfile of an app's Gemfile, of the gems that this machine has.
pub(crate) fn lock_gems(app: &App) {
    let mut bundle = Command::new("bundle");
    bundle.args(["lock", "--local"]).current_dir(app.folder());
    let output = bundle.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A folder with these programs of this machine alone, to be `PATH`.
pub(crate) fn only_programs(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in names {
        let mut places = std::env::split_paths(&path).map(|place| place.join(name));
        let program = places
            .find(|place| place.is_file())
            .unwrap_or_else(|| panic!("{name}"));
        std::os::unix::fs::symlink(fs::canonicalize(program).unwrap(), folder.path().join(name))
            .unwrap();
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // Distributions put links into folders of gems.
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}
