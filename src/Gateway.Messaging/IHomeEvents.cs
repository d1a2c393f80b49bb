namespace Gateway.Messaging;

/// <summary>What happened that others may want to act on. Called on the home's thread only; must not block or throw.</summary>
public interface IHomeEvents
{
    /// <summary>Something waits for a device that is not connected. Raised once an absence; the push service's cue.</summary>
    void OnOffline(ulong mailbox);

    /// <summary>The wall clock cannot be trusted for now: nothing expires until <see cref="Home.ResumeExpiry"/>.</summary>
    /// <param name="clock">What it says, seconds since 1970.</param>
    /// <param name="expected">The latest that it could say.</param>
    void OnExpirySuspended(uint clock, uint expected);

    /// <summary>The log can no longer say what is durable. The node must stop answering (rule 12).</summary>
    void OnLogLost(LogOutcome outcome);
}
