namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>What is acknowledged when a message is committed.</summary>
internal enum Acknowledging
{
    Nothing,

    /// <summary>The message itself: mailboxes are empty but for what is on its way.</summary>
    Itself,

    /// <summary>The mailbox's message before it: every mailbox has one pending throughout.</summary>
    TheOneBefore,
}
