import SluiceBytes

/// Looks for the empty line that ends a head, over as many reads as it takes; each byte once.
struct HeadScanner {
    enum Step {
        case needMore
        /// The head is so many bytes long, the empty line included.
        case complete(Int)
        case bareLineFeed
        case tooLarge
    }

    /// Bytes looked at.
    private var scanned = 0
    private var lineStart = 0
    /// Offset just past the first line, once its end has been seen.
    private(set) var firstLineEnd = 0

    init() {}

    mutating func scan(_ bytes: Span<UInt8>, headBytesMax: Int) -> Step {
        let limit = min(bytes.count, headBytesMax)
        while scanned < limit {
            let lineFeed = bytes.firstIndex(of: 0x0A, from: scanned, to: limit)
            if lineFeed == limit {
                scanned = limit
                break
            }
            guard lineFeed > lineStart, bytes[lineFeed &- 1] == 0x0D else { return .bareLineFeed }
            let isEmpty = lineFeed &- 1 == lineStart
            scanned = lineFeed &+ 1
            lineStart = scanned
            if firstLineEnd == 0 { firstLineEnd = scanned }
            if isEmpty { return .complete(scanned) }
        }
        return bytes.count >= headBytesMax ? .tooLarge : .needMore
    }
}
