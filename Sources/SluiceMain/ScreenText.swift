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

    /// At most `columns` characters of a line, escape sequences not counted: what is left out ends
    /// with a word, and three dots stand for it.
    static func cut(_ line: String, _ columns: Int) -> String {
        let all = shownCharacters(line)
        guard all.count > columns, columns > 0 else { return line }
        let shown = all.prefix(columns)
        let room = shown.dropLast()
        let wordEnd = shown.last == " " ? room.count : room.lastIndex(of: " ") ?? room.count
        // A word that alone takes most of the line is cut all the same.
        let kept = wordEnd * 2 >= columns ? wordEnd : room.count
        var (text, count, isEscape, isDone) = ("", 0, false, false)
        for character in line {
            if character == "\u{1B}" { isEscape = true }
            if isEscape {
                text.append(character)
                if character == "m" { isEscape = false }
                continue
            }
            if count < kept {
                text.append(character)
            } else if !isDone {
                text.append("…")
                isDone = true
            }
            count += 1
        }
        return text
    }

    /// A text without escape sequences as lines of at most `columns`, broken between words; those after
    /// the first begin with `indent` blanks.
    static func wrapped(_ text: String, _ columns: Int, indent: Int) -> [String] {
        guard text.count > columns, columns > indent + 10 else { return [text] }
        var lines: [String] = []
        var line: String?
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            guard let begun = line else {
                line = String(word)
                continue
            }
            if begun.count + 1 + word.count <= columns || begun.allSatisfy({ $0 == " " }) {
                line = begun + (begun.count == indent && !lines.isEmpty ? "" : " ") + word
            } else {
                lines.append(begun)
                line = String(repeating: " ", count: indent) + word
            }
        }
        return lines + [line].compactMap { $0 }
    }

    private static func shownCharacters(_ line: String) -> [Character] {
        var (shown, isEscape) = ([Character](), false)
        for character in line {
            if character == "\u{1B}" { isEscape = true }
            if !isEscape { shown.append(character) }
            if isEscape, character == "m" { isEscape = false }
        }
        return shown
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
