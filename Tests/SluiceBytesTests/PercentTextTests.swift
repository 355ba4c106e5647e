import SluiceBytes
import Testing

@Suite struct PercentTextTests {
    @Test(arguments: [
        ("gpu-1.rack_2:8000", "gpu-1.rack_2:8000"), ("[::1]:8000", "%5B::1%5D:8000"),
        ("a/b?c&d", "a%2Fb%3Fc%26d"), ("100%", "100%25"), ("é", "%C3%A9"), ("", ""),
    ])
    func `a name is one part of a path, and comes back`(name: String, part: String) {
        #expect(PercentText.encoded(name) == part)
        #expect(PercentText.decoded(part[...]) == name)
    }

    @Test(arguments: [
        ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%+1", "%+1"), ("%5b%5D", "[]"),
        ("a+b", "a+b"), ("%ff", "\u{FFFD}"),
    ])
    func `what is not encoded stands for itself`(part: String, name: String) {
        #expect(PercentText.decoded(part[...]) == name)
    }
}
