namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>A fault of FASTER 2.6.5, or a promise beside them that is shown by tests. Immutable.</summary>
/// <param name="Number">As the decision for FASTER counts them; empty: a promise.</param>
/// <param name="What">It does.</param>
/// <param name="Remedy">Why it cannot happen here.</param>
/// <param name="Tests">That fail without the remedy, below Gateway.Tests.</param>
internal sealed record Trap(string Number, string What, string Remedy, params string[] Tests)
{
    public static IReadOnlyList<Trap> All { get; } =
    [
        new("1", "an error while commit metadata is written is only logged", "the pump writes the superblock itself: a fail stop", "Mailbox.FasterTrapTests.An_error_while_the_superblock_is_written_is_a_fail_stop_and_acknowledges_nothing"),
        new("2", "with a corrupt commit file it opens empty", "no commit files; a superblock of two slots with checksums, refused when neither holds", "Mailbox.FailStopTests.One_torn_slot_of_the_superblock_is_survived_and_two_are_refused"),
        new("3", "`Initialize` does not load the tail page, and the next flush zeroes it", "`Recover` with the commit that our scan found", "Mailbox.RoundTripTests.Appending_goes_on_after_each_of_many_restarts_and_nothing_is_overwritten", "Mailbox.FasterTrapTests.Nothing_of_FASTER_s_log_is_used_but_what_is_known_to_hold"),
        new("4", "what its commit manager throws is swallowed and waiters hang", "nothing is done there, and nobody waits on FASTER", "Mailbox.FasterTrapTests.Commits_leave_nothing_in_FASTER_s_books", "Mailbox.FailStopTests.An_error_of_the_disk_stops_the_log_for_good"),
        new("5", "it tells of a commit before its committed address moves", "a watermark of our own, raised behind the sync", "Mailbox.FasterTrapTests.The_host_is_told_of_a_commit_after_the_watermark_has_passed_it", "Mailbox.FailStopTests.The_watermark_passes_a_record_only_after_its_sync"),
        new("6", "an entry of length 0 hides the rest of its page", "no record is empty", "Mailbox.FasterTrapTests.A_message_without_a_body_hides_nothing_that_follows_it"),
        new("7", "an exception inside `SerializeTo` stops all commits", "records are checked before, and copying cannot throw", "Mailbox.FasterTrapTests.A_record_that_is_refused_leaves_commits_working"),
        new("8", "`Enqueue(byte, ref SpanByte)` corrupts the record", "not used", "Mailbox.FasterTrapTests.Nothing_of_FASTER_s_log_is_used_but_what_is_known_to_hold", "Mailbox.RoundTripTests.A_committed_message_is_read_back_with_every_field"),
        new("9", "its checksum is an XOR: swapped words pass", "CRC32C of our own", "Mailbox.LayoutTests.The_checksum_sees_swapped_words"),
        new("10", "spinning on a full buffer allocates", "admission ends at three quarters", "Mailbox.AdmissionTests.What_waits_for_a_slow_disk_is_bounded_and_refused_as_busy"),
        new("11", "`Commit(true)` spins", "`Commit(false)`, and the pump sleeps", "Mailbox.FasterTrapTests.Starting_a_commit_does_not_wait_for_its_end"),
        new("12", "a full disk is noticed a thousand records late, and space does not heal it", "segments are allocated before admission counts on them; any error is a fail stop", "Mailbox.AdmissionTests.Every_byte_below_the_admission_s_limit_has_its_block_on_disk", "Mailbox.AdmissionTests.A_full_disk_refuses_messages_at_the_door_and_acknowledgements_still_pass", "Mailbox.FailStopTests.An_error_of_the_disk_stops_the_log_for_good"),
        new("", "its tail is read in two halves, and may be one that there is not yet", "read at once, and commits go up to that", "Mailbox.FasterTrapTests.A_tail_is_never_one_that_there_is_not_yet"),
        new("", "a byte flipped in mid-log", "refused, and where it is", "Mailbox.RecoveryTests.A_byte_flipped_anywhere_in_what_was_durable_refuses_to_open_and_says_where"),
        new("", "an fdatasync that fails", "acknowledges nothing, for good", "Mailbox.FailStopTests.An_error_of_the_disk_stops_the_log_for_good"),
    ];
}
