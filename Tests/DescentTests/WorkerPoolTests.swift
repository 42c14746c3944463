import Foundation
import Testing

@testable import Descent

@Suite struct WorkerPoolTests {
  @Test("a pool calls every block once, and returns after the last")
  func pool() {
    for threads in [1, 2, 5] {
      let pool = WorkerPool(threads: threads)
      for blocks in [0, 1, 2, 5, 1000] {
        for _ in 0..<50 {
          // By block, and then by thread.
          var marks = [UInt8](repeating: 0, count: 1010)
          marks.withUnsafeMutableBufferPointer { marks in
            pool.run(blocks: blocks, context: UnsafeRawPointer(marks.baseAddress!)) {
              let marks = UnsafeMutableRawPointer(mutating: $0).assumingMemoryBound(to: UInt8.self)
              marks[$1] += 1
              marks[1000 + $2] = 1
            }
          }
          #expect((0..<1000).allSatisfy { marks[$0] == ($0 < blocks ? 1 : 0) })
          #expect((threads..<10).allSatisfy { marks[1000 + $0] == 0 })
        }
      }
    }
  }

  @Test("a pool leaves the caller's signals as they were, and its threads end with it")
  func poolLeavesNothing() async {
    await #expect(processExitsWith: .success) {
      func tasks() -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
      }
      var before = sigset_t()
      pthread_sigmask(SIG_SETMASK, nil, &before)
      let count = tasks()
      do {
        let pool = WorkerPool(threads: 4)
        #expect(tasks() == count + 3)
        pool.run(blocks: 1, context: UnsafeRawPointer(bitPattern: 8)!) { _, _, _ in }
      }
      var after = sigset_t()
      pthread_sigmask(SIG_SETMASK, nil, &after)
      #expect((1...64).allSatisfy { sigismember(&before, $0) == sigismember(&after, $0) })
      #expect(tasks() == count)
      do {
        let optimizer = try Optimizer(
          SGD(), layout: ParameterLayout(count: 100),
          on: .cpu(threads: 3, instructions: nil, block: 10))
        #expect(tasks() == count + 2)
        withExtendedLifetime(optimizer) {}
      } catch {
        Issue.record(error)
      }
    }
  }

  @Test("after a fork the child works on one thread, and ends without its parent's")
  func fork() async {
    await #expect(processExitsWith: .success) {
      typealias Fork = @convention(c) () -> pid_t
      guard let symbol = dlsym(nil, "fork") else { return }
      let fork = unsafeBitCast(symbol, to: Fork.self)
      let layout = try ParameterLayout(count: 100)
      var optimizer: Optimizer? = try Optimizer(
        SGD(learningRate: 1), layout: layout, on: .cpu(threads: 3, instructions: nil, block: 10))
      var x = [Float](repeating: 1, count: 100)
      let g = x
      try optimizer?.step(&x, gradients: g)
      let child = fork()
      if child == 0 {
        try? optimizer?.step(&x, gradients: g)
        optimizer = nil
        _exit(x == [Float](repeating: -1, count: 100) ? 0 : 1)
      }
      // A child that waits for threads it does not have would wait for ever.
      var (status, ended): (Int32, pid_t) = (-1, 0)
      for _ in 0..<500 where ended == 0 {
        ended = waitpid(child, &status, WNOHANG)
        if ended == 0 { usleep(10_000) }
      }
      if ended == 0 { kill(child, SIGKILL) }
      #expect(ended == child && status == 0)
    }
  }
}
