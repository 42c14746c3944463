internal import DescentKernels
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Threads that wait for blocks of work. The caller of ``run(blocks:context:_:)`` works too, so a
/// pool of n starts n − 1 threads, and fewer if the system refuses some.
final class WorkerPool {
  /// Takes the context, the number of a block, and that of the thread, 0 for the caller's.
  typealias Block = @convention(c) (UnsafeRawPointer, _ block: Int, _ worker: Int) -> Void

  private let shared = Shared()
  private var threads: [pthread_t] = []
  private let owner = getpid()

  /// How many threads work on a job, the caller of ``run(blocks:context:_:)`` among them.
  var threadCount: Int { threads.count + 1 }

  init(threads count: Int) {
    // Signals are the program's; a worker that took one would run its handler in the wrong place.
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    for _ in 1..<count {
      var thread = pthread_t()
      let argument = Unmanaged.passRetained(shared)
      let status = pthread_create(&thread, nil, { workerMain($0) }, argument.toOpaque())
      guard status == 0 else {
        argument.release()
        return
      }
      threads.append(thread)
    }
  }

  deinit {
    // After a fork the threads exist in the parent alone.
    guard getpid() == owner else { return }
    shared.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Calls `block` with `context` and every index below `blocks`, on this thread and the workers,
  /// and returns when all calls have.
  func run(blocks: Int, context: UnsafeRawPointer, _ block: Block) {
    guard !threads.isEmpty, getpid() == owner else {
      for index in 0..<blocks { block(context, index, 0) }
      return
    }
    let job = Shared.Job(block: block, context: context, blocks: blocks)
    shared.begin(job)
    shared.work(job, worker: 0)
    shared.finish()
  }
}

private func workerMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let shared = Unmanaged<WorkerPool.Shared>.fromOpaque(argument).takeRetainedValue()
  withDefaultFloatingPoint { shared.serve() }
  return nil
}

extension WorkerPool {
  /// What the owner and its workers share.
  ///
  /// Unchecked, because `job` and `isStopping` are plain variables. Invariant: they are read and
  /// written under the lock. A worker joins a job, which it counts in `working`, under the same
  /// lock; so once `finish` has taken the job away, only the workers counted are in it.
  final class Shared: @unchecked Sendable {
    struct Job {
      let block: Block
      let context: UnsafeRawPointer
      let blocks: Int
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let started = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let finished = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var job: Job?
    private var isStopping = false
    private let generation = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let working = Atomic<Int>(0)
    private let workers = Atomic<Int>(0)

    init() {
      mutex.initialize(to: pthread_mutex_t())
      started.initialize(to: pthread_cond_t())
      finished.initialize(to: pthread_cond_t())
      pthread_mutex_init(mutex, nil)
      pthread_cond_init(started, nil)
      pthread_cond_init(finished, nil)
    }

    deinit {
      pthread_cond_destroy(finished)
      pthread_cond_destroy(started)
      pthread_mutex_destroy(mutex)
      finished.deallocate()
      started.deallocate()
      mutex.deallocate()
    }

    func begin(_ job: Job) {
      pthread_mutex_lock(mutex)
      self.job = job
      next.store(0, ordering: .relaxed)
      generation.add(1, ordering: .releasing)
      pthread_cond_broadcast(started)
      pthread_mutex_unlock(mutex)
    }

    /// Takes blocks until none is left.
    func work(_ job: Job, worker: Int) {
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        if index >= job.blocks { return }
        job.block(job.context, index, worker)
      }
    }

    /// Waits for the workers that are in the job. One that has not woken up until now finds nothing
    /// left to do: on a busy machine, waiting for it would cost more than the step.
    func finish() {
      pthread_mutex_lock(mutex)
      job = nil
      pthread_mutex_unlock(mutex)
      if spin(until: { working.load(ordering: .acquiring) == 0 }) { return }
      pthread_mutex_lock(mutex)
      while working.load(ordering: .acquiring) != 0 { pthread_cond_wait(finished, mutex) }
      pthread_mutex_unlock(mutex)
    }

    /// The loop of a worker: waits for a job, runs it and reports, until `stop()`.
    func serve() {
      let worker = workers.add(1, ordering: .relaxed).newValue
      var seen = 0
      while true {
        _ = spin(until: { generation.load(ordering: .acquiring) != seen })
        pthread_mutex_lock(mutex)
        while generation.load(ordering: .relaxed) == seen && !isStopping {
          pthread_cond_wait(started, mutex)
        }
        let stopping = isStopping
        seen = generation.load(ordering: .relaxed)
        let job = job
        if job != nil { working.add(1, ordering: .relaxed) }
        pthread_mutex_unlock(mutex)
        if stopping { return }
        guard let job else { continue }
        work(job, worker: worker)
        if working.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
          pthread_mutex_lock(mutex)
          pthread_cond_signal(finished)
          pthread_mutex_unlock(mutex)
        }
      }
    }

    func stop() {
      pthread_mutex_lock(mutex)
      isStopping = true
      generation.add(1, ordering: .releasing)
      pthread_cond_broadcast(started)
      pthread_mutex_unlock(mutex)
    }

    /// Spins for some microseconds before the caller blocks: waking a thread takes longer.
    private func spin(until isTrue: () -> Bool) -> Bool {
      for _ in 0..<200 {
        if isTrue() { return true }
        descent_pause()
      }
      return false
    }
  }
}
