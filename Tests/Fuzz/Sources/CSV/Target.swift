import FuzzLimits

/// The input is a CSV file.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = UnsafeBufferPointer(start: bytes, count: count)
  fuzz_begin(count)
  do {
    let (training, test) = try Dataset(bytes: input, file: "input").split(seed: 1)
    _ = test.standardised(by: training)
  } catch {
    _ = "\(error)"
  }
  return fuzz_end()
}
