using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// What a store knows of one sent message: its outcome, and what receipts have said of it that does not count yet. A receipt closes no open message:
/// what it says is kept, and counts once the message is accepted. Both stores keep this and apply it alike. PROTOCOL.md, "Receipts".
/// <para>Invariant: applying anything a second time changes nothing.</para>
/// </summary>
/// <param name="Outcome">What is shown.</param>
/// <param name="Told">The first of delivered, rejected, expired and discarded that came; Open: none did.</param>
/// <param name="SaidRead">Its peer says that a person has seen it.</param>
internal readonly record struct SentState(SendOutcome Outcome, SendOutcome Told = default, bool SaidRead = false)
{
    /// <summary>The message has an outcome, unless it had one that this does not change.</summary>
    public SentState Settle(SendOutcome outcome) => Outcome.State.MayBecome(outcome.State) ? (this with { Outcome = outcome }).Show() : this;

    /// <summary>A receipt, which <see cref="Concerns"/> the message.</summary>
    public SentState Hear(ReceivedReceipt receipt)
    {
        if (receipt.Kind == ReceiptKind.Read) return (this with { SaidRead = true }).Show();
        return Told.State != MessageState.Open ? this : (this with { Told = new SendOutcome(MessageStates.Of(receipt.Kind), receipt.Reason) }).Show();
    }

    /// <summary>
    /// True when a receipt from <paramref name="peer"/> may speak of such a message: it went to exactly this address, device and all, and is none that
    /// earns no receipt. Anybody may send a read receipt with any numbers in it.
    /// </summary>
    public static bool Concerns(Address peer, Address to, SendKind kind) => peer == to && kind == SendKind.Message;

    private SentState Show()
    {
        if (Outcome.State == MessageState.Open) return this;
        var shown = Told.State != MessageState.Open && Outcome.State.MayBecome(Told.State) ? this with { Outcome = Told } : this;
        return shown.SaidRead && shown.Outcome.State.MayBecome(MessageState.Read) ? shown with { Outcome = new SendOutcome(MessageState.Read) } : shown;
    }
}
