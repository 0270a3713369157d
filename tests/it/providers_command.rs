use crate::support::sandbox::Sandbox;

#[test]
fn an_unknown_one_lists_the_known() {
    let done = Sandbox::new().run(&["providers", "nope"], "");
    let list = Sandbox::new().run(&["providers"], "").stdout;
    let works = list.lines().skip(1).filter(|line| !line.contains("cannot work") && !line.starts_with("what to"));
    let names: Vec<&str> = works.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"workos"), "{list}");
    let said = format!("keyfob: no provider is called \"nope\"\nkeyfob: hint: use one of {}\n", names.join(", "));
    assert_eq!((done.code, done.stderr), (Some(2), said));
}
