"""In what order the schema wants the fields of items and folders (types.xsd); a test compares it with the schema."""


def names(written: str) -> list[str]:
    """Split names that are written with blanks between."""
    return written.split()


_ITEM = names("""
    MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments DateTimeReceived Size
    Categories Importance InReplyTo IsSubmitted IsDraft IsFromMe IsResend IsUnmodified
    InternetMessageHeaders DateTimeSent DateTimeCreated ResponseObjects ReminderDueBy ReminderIsSet
    ReminderNextTime ReminderMinutesBeforeStart DisplayCc DisplayTo HasAttachments ExtendedProperty Culture
    EffectiveRights LastModifiedName LastModifiedTime IsAssociated WebClientReadFormQueryString
    WebClientEditFormQueryString ConversationId UniqueBody Flag StoreEntryId InstanceKey NormalizedBody
    EntityExtractionResult PolicyTag ArchiveTag RetentionDate Preview RightsManagementLicenseData
    PredictedActionReasons IsClutter BlockStatus HasBlockedImages TextBody IconIndex
""")
_MESSAGE = names("""
    Sender ToRecipients CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested
    ConversationIndex ConversationTopic From InternetMessageId IsRead IsResponseRequested References ReplyTo
    ReceivedBy ReceivedRepresenting ApprovalRequestData VotingInformation ReminderMessageData
""")
_MEETING = names("""
    AssociatedCalendarItemId IsDelegated IsOutOfDate HasBeenProcessed ResponseType UID RecurrenceId
    DateTimeStamp IsOrganizer
""")
_REQUEST = names("""
    MeetingRequestType IntendedFreeBusyStatus Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus
    Location When IsMeeting IsCancelled IsRecurring MeetingRequestWasSent CalendarItemType MyResponseType
    Organizer RequiredAttendees OptionalAttendees Resources ConflictingMeetingCount AdjacentMeetingCount
    ConflictingMeetings AdjacentMeetings Duration TimeZone AppointmentReplyTime AppointmentSequenceNumber
    AppointmentState Recurrence FirstOccurrence LastOccurrence ModifiedOccurrences DeletedOccurrences
    MeetingTimeZone StartTimeZone EndTimeZone ConferenceType AllowNewTimeProposal IsOnlineMeeting
    MeetingWorkspaceUrl NetShowUrl EnhancedLocation ChangeHighlights StartWallClock EndWallClock
    StartTimeZoneId EndTimeZoneId
""")
_RESPONSE = names("""
    Start End Location Recurrence CalendarItemType ProposedStart ProposedEnd EnhancedLocation
""")
_CALENDAR = names("""
    UID RecurrenceId DateTimeStamp Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus Location When
    IsMeeting IsCancelled IsRecurring MeetingRequestWasSent IsResponseRequested CalendarItemType
    MyResponseType Organizer RequiredAttendees OptionalAttendees Resources ConflictingMeetingCount
    AdjacentMeetingCount ConflictingMeetings AdjacentMeetings Duration TimeZone AppointmentReplyTime
    AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence LastOccurrence ModifiedOccurrences
    DeletedOccurrences MeetingTimeZone StartTimeZone EndTimeZone ConferenceType AllowNewTimeProposal
    IsOnlineMeeting MeetingWorkspaceUrl NetShowUrl EnhancedLocation StartWallClock EndWallClock
    StartTimeZoneId EndTimeZoneId IntendedFreeBusyStatus JoinOnlineMeetingUrl OnlineMeetingSettings
    IsOrganizer
""")
_CONTACT = names("""
    FileAs FileAsMapping DisplayName GivenName Initials MiddleName Nickname CompleteName CompanyName
    EmailAddresses PhysicalAddresses PhoneNumbers AssistantName Birthday BusinessHomePage Children Companies
    ContactSource Department Generation ImAddresses JobTitle Manager Mileage OfficeLocation
    PostalAddressIndex Profession SpouseName Surname WeddingAnniversary HasPicture PhoneticFullName
    PhoneticFirstName PhoneticLastName Alias Notes Photo UserSMIMECertificate MSExchangeCertificate
    DirectoryId ManagerMailbox DirectReports
""")
_LIST = names("""
    DisplayName FileAs ContactSource Members
""")
_TASK = names("""
    ActualWork AssignedTime BillingInformation ChangeCount Companies CompleteDate Contacts DelegationState
    Delegator DueDate IsAssignmentEditable IsComplete IsRecurring IsTeamTask Mileage Owner PercentComplete
    Recurrence StartDate Status StatusDescription TotalWork
""")
_POST = names("""
    ConversationIndex ConversationTopic From InternetMessageId IsRead PostedTime References Sender
""")
_FOLDER = names("""
    FolderId ParentFolderId FolderClass DisplayName TotalCount ChildFolderCount ExtendedProperty
    ManagedFolderInformation EffectiveRights DistinguishedFolderId PolicyTag ArchiveTag
""")

FIELDS: dict[str, list[str]] = {
    "Item": _ITEM,
    "Message": _ITEM + _MESSAGE,
    "MeetingRequest": _ITEM + _MESSAGE + _MEETING + _REQUEST,
    "MeetingResponse": _ITEM + _MESSAGE + _MEETING + _RESPONSE,
    "MeetingCancellation": _ITEM
    + _MESSAGE
    + _MEETING
    + [name for name in _RESPONSE if "Proposed" not in name],
    "CalendarItem": _ITEM + _CALENDAR,
    "Contact": _ITEM + _CONTACT,
    "DistributionList": _ITEM + _LIST,
    "Task": _ITEM + _TASK,
    "PostItem": _ITEM + _POST,
    "Folder": [*_FOLDER, "PermissionSet", "UnreadCount"],
    "SearchFolder": [*_FOLDER, "PermissionSet", "UnreadCount", "SearchParameters"],
    "TasksFolder": [*_FOLDER, "PermissionSet", "UnreadCount"],
    "CalendarFolder": [*_FOLDER, "SharingEffectiveRights", "PermissionSet"],
    "ContactsFolder": [*_FOLDER, "SharingEffectiveRights", "PermissionSet"],
}
