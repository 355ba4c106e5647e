@main struct SluiceMain { static func main() {} }
