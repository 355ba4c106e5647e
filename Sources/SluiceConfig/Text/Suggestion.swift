/// Near misses among known words.
enum Suggestion {
    /// The known word nearest to a misspelt one, or nil when none is near.
    ///
    /// `headBytesMax` and `head-bytes-max` are compared as `head_bytes_max`. Words of up to 64
    /// characters, so that a hostile file costs nothing.
    static func nearest(to word: String, among known: [String]) -> String? {
        guard word.count <= 64 else { return nil }
        let plain = snakeCase(word)
        var best: (distance: Int, word: String)?
        for candidate in known {
            let distance = distance(plain, candidate)
            let bound = max(1, min(3, candidate.count / 3))
            guard distance <= bound, distance < (best?.distance ?? .max) else { continue }
            best = (distance, candidate)
        }
        return best?.word
    }

    /// `headBytesMax` and `Head-Bytes-Max` as `head_bytes_max`.
    private static func snakeCase(_ word: String) -> String {
        var result = ""
        for character in word {
            if character == "-" || character == " " {
                result.append("_")
            } else if character.isUppercase {
                if let last = result.last, last != "_" { result.append("_") }
                result += character.lowercased()
            } else {
                result.append(character)
            }
        }
        return result
    }

    /// Insertions, deletions, replacements and swaps of neighbours between two words.
    static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.unicodeScalars)
        let b = Array(b.unicodeScalars)
        var before: [Int] = []
        var previous = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(previous[j + 1] + 1, row[j] + 1)
                cost = min(cost, previous[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    cost = min(cost, before[j - 1] + 1)
                }
                row.append(cost)
            }
            before = previous
            previous = row
        }
        return previous[b.count]
    }
}
