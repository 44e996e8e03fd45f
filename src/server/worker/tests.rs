use super::*;

#[test]
fn the_longest_silence_counts_until_a_worker_has_ended() {
    let pulse = Pulse::new(2);
    pulse.beat(WorkerId(0));
    pulse.set(WorkerId(0), ENDED);
    let start = Instant::now();
    while pulse.silence() < Duration::from_millis(5) {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the second worker never beat"
        );
        std::thread::yield_now();
    }
    pulse.end(WorkerId(1), 3);
    assert_eq!(pulse.silence(), Duration::ZERO);
    assert_eq!(pulse.cut_off(), 3);
}

#[test]
fn a_beat_is_each_second() {
    assert_eq!(
        Deadlines::RESOLUTION * TICKS_PER_BEAT,
        Duration::from_secs(1)
    );
}
