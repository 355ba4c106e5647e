import Foundation
import SluiceReactor

/// How text looks on a terminal; plain where colours are off.
struct ScreenText {
    /// Not where output is no terminal or `NO_COLOR` is set.
    let isColoured: Bool

    /// Whether output is a terminal that can be drawn on.
    static var isForTerminal: Bool {
        Terminal.isOutput && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// For standard output.
    static var standard: ScreenText {
        let isPlain = !(ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
        return ScreenText(isColoured: isForTerminal && !isPlain)
    }

    func bold(_ text: String) -> String { escaped(text, "1") }
    func dim(_ text: String) -> String { escaped(text, "2") }
    func good(_ text: String) -> String { escaped(text, "32") }
    func fair(_ text: String) -> String { escaped(text, "33") }
    func bad(_ text: String) -> String { escaped(text, "31") }

    /// In the colour of a replica's state.
    func coloured(_ text: String, state: String) -> String {
        switch state {
        case "ready": good(text)
        case "warming", "busy", "draining", "cordoned", "sleeping": fair(text)
        default: bad(text)
        }
    }

    private func escaped(_ text: String, _ code: String) -> String {
        isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    /// At most `columns` characters of a line, escape sequences not counted.
    static func cut(_ line: String, _ columns: Int) -> String {
        var (text, width, isEscape) = ("", 0, false)
        for character in line {
            if character == "\u{1B}" { isEscape = true }
            if isEscape || width < columns { text.append(character) }
            if !isEscape { width += 1 }
            if isEscape, character == "m" { isEscape = false }
        }
        return text
    }
}

/// Writes whole screens, each over the last.
struct ScreenPainter {
    /// Size of the terminal when the last screen was drawn; nil before the first.
    private var drawnSize: (columns: Int, rows: Int)?

    /// The bytes that show `lines`, no more than fit into `size`.
    ///
    /// What was on the screen scrolls up and stays; then each screen is written over the last, line by
    /// line, so that nothing flickers. A change of size wraps lines: begin anew.
    mutating func paint(_ lines: [String], _ size: (columns: Int, rows: Int)) -> String {
        var text = ""
        if let drawnSize {
            text = size == drawnSize ? "\u{1B}[H" : "\u{1B}[H\u{1B}[2J"
        } else {
            text = String(repeating: "\n", count: size.rows) + "\u{1B}[H"
        }
        drawnSize = size
        for line in lines { text += "\u{1B}[K" + line + "\n" }
        return text + "\u{1B}[J"
    }
}
