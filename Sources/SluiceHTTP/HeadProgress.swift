import SluiceBytes

/// How far a head that comes in several reads has been judged: all that a parser remembers of it.
///
/// A head that is whole at the first call, as nearly all are, is read in one pass. Otherwise the
/// lines that are whole are judged as they come, and read into the table once the head is complete:
/// the table belongs to the worker and other connections use it in between. A line is judged only
/// when its LF is there, so the verdict is a function of the bytes and not of how they were cut.
struct HeadProgress: Sendable {
    /// Bytes already searched for line ends.
    var scanned = 0
    /// Where the first line not yet judged begins.
    var lineStart = 0
    /// Field lines judged.
    var fields = 0

    /// Whether `bytes` up to `limit` hold a line end that has not been looked at.
    @inline(__always) mutating func findsLineEnd(_ bytes: Span<UInt8>, limit: Int) -> Bool {
        if scanned >= limit { return false }
        if bytes.firstIndex(of: 0x0A, from: scanned, to: limit) < limit { return true }
        scanned = limit
        return false
    }
}

/// Where a start line ends.
enum StartLine {
    case needMore
    case tooLong
    case bareLineFeed
    /// Offset of the line's CR.
    case ends(Int)

    /// Looks for the first line's end in the first `lineBytesMax` bytes before `limit`.
    ///
    /// - Parameter scanned: so many bytes are known to hold none.
    @inline(__always) static func find(
        _ bytes: Span<UInt8>, from scanned: Int, limit: Int, lineBytesMax: Int
    ) -> StartLine {
        let end = min(limit, lineBytesMax)
        let lineFeed = bytes.firstIndex(of: 0x0A, from: min(scanned, end), to: end)
        if lineFeed == end { return end == lineBytesMax ? .tooLong : .needMore }
        guard lineFeed > 0, bytes[lineFeed &- 1] == 0x0D else { return .bareLineFeed }
        return .ends(lineFeed &- 1)
    }
}
