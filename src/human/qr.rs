//! An address as a QR code (ISO/IEC 18004) of half blocks, two modules to a character.

use qrcodegen::{QrCode, QrCodeEcc};

use super::screen::RESET;

/// The border of light modules around a QR code: what the standard asks for, and what cameras do with where there is no
/// room for that.
const QUIET_ZONES: [usize; 2] = [4, 2];
/// Bright white on black, whatever the terminal's own colours are.
const COLOURS: &str = "\x1b[97;40m";

/// Draws `text`, dark on light, with the widest border that leaves it within `columns` and `rows`; one line for each row,
/// without line feeds. `None` where no border does.
pub(super) fn draw(text: &str, columns: usize, rows: usize) -> Option<Vec<String>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let modules = usize::try_from(code.size()).ok()?;
    let quiet = QUIET_ZONES.into_iter().find(|quiet| {
        let side = modules + 2 * quiet;
        side <= columns && side.div_ceil(2) <= rows
    })?;
    Some(lines(&code, i32::try_from(quiet).ok()?))
}

fn lines(code: &QrCode, quiet: i32) -> Vec<String> {
    let side = -quiet..code.size() + quiet;
    let line = |y: i32| {
        // An odd number of rows leaves half a character below the last: light, as the border it belongs to.
        let cells = side.clone().map(|x| match (code.get_module(x, y), code.get_module(x, y + 1)) {
            (false, false) => '\u{2588}',
            (false, true) => '\u{2580}',
            (true, false) => '\u{2584}',
            (true, true) => ' ',
        });
        format!("{COLOURS}{}{RESET}", cells.collect::<String>())
    };
    side.clone().step_by(2).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a camera sees of lines of half blocks.
    fn read(lines: &[String]) -> String {
        let rows: Vec<Vec<char>> = lines
            .iter()
            .map(|line| line.strip_prefix(COLOURS).unwrap().strip_suffix(RESET).unwrap().chars().collect())
            .collect();
        let (scale, columns) = (4, rows[0].len());
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(columns * scale, rows.len() * 2 * scale, |x, y| {
            let (row, upper) = (y / scale / 2, y / scale % 2 == 0);
            let light = match rows[row][x / scale] {
                '\u{2588}' => true,
                '\u{2580}' => upper,
                '\u{2584}' => !upper,
                _ => false,
            };
            if light { 255 } else { 0 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn it_reads_back() {
        for text in ["https://a.dev", "https://acme.authkit.app/device?user_code=BCDF-GHJK", &"https://a/".repeat(20)] {
            let lines = draw(text, 200, 100).unwrap();
            assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
            assert_eq!(read(&lines), text);
        }
    }

    #[test]
    fn it_fits_or_is_left_out() {
        let text = "https://acme.authkit.app/device?user_code=BCDF-GHJK";
        // 29 modules: with 4 on each side 37 columns and 19 rows, with 2 on each side 33 and 17.
        let size = |columns, rows| {
            draw(text, columns, rows).map(|lines| {
                assert_eq!(read(&lines), text);
                (lines[0].chars().count() - COLOURS.len() - RESET.len(), lines.len())
            })
        };
        assert_eq!(size(80, 24), Some((37, 19)));
        assert_eq!(size(37, 19), Some((37, 19)));
        assert_eq!(size(36, 19), Some((33, 17)));
        assert_eq!(size(80, 18), Some((33, 17)));
        assert_eq!(size(32, 60), None);
        assert_eq!(size(80, 16), None);
        assert_eq!(draw(&"x".repeat(5_000), 1_000, 1_000), None, "more than any QR code holds");
    }
}
